using Vmm.Engine.Conformance.Tests.Harness;
using Vmm.Engine.Kvm;
using Vmm.Engine.Kvm.Interrupts;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>Local APICs in KVM, with messages, event descriptors and notifications past the exit path.</summary>
public sealed class SplitIrqchipTests
{
    // KVM waits at HLT itself: these guests end at a port.
    private const byte Vector = 0x51, ReadyPort = 0x10, EndPort = 0x11;
    private const uint SpuriousVector = 0x80F, TimerEntry = 0x832, InitialCount = 0x838, Divide = 0x83E, EndOfInterrupt = 0x80B;

    [SplitIrqchipFact]
    public void A_message_interrupts_the_guest()
    {
        using GuestMachine machine = Waiting().Make(HostKvm.Engine, LocalApicModel.Kvm);
        machine.Respond = AtReady(() => Assert.True(Chip(machine).Signal(Message)));
        machine.Run();
        Assert.Equal(1UL, machine.Processor.Registers.Rbx);
    }

    [SplitIrqchipFact]
    public void An_event_descriptor_sends_the_message_of_its_route()
    {
        using GuestMachine machine = Waiting().Make(HostKvm.Engine, LocalApicModel.Kvm);
        Chip(machine).Route(5, Message);
        using EventDescriptor source = Chip(machine).Connect(5);
        machine.Respond = AtReady(source.Signal);
        machine.Run();
        Assert.Equal(1UL, machine.Processor.Registers.Rbx);
    }

    [SplitIrqchipFact]
    public void A_notification_signals_its_descriptor_and_no_exit()
    {
        using GuestMachine machine = new Guest("notifies", GuestMode.Long, a =>
        {
            a.mov(rbp, (long)GuestLayout.Device);
            a.mov(__word_ptr[rbp], 3);
            a.mov(__word_ptr[rbp], 4);
            a.@out(0x44, al);
            a.@out(EndPort, al);
        }) { Check = _ => { } }.Make(HostKvm.Engine, LocalApicModel.Kvm);
        var matching = new NotificationPlace(GuestLayout.Device, IsPort: false, Width: 2, Value: 3);
        using EventDescriptor memory = Chip(machine).Listen(matching);
        using EventDescriptor port = Chip(machine).Listen(new NotificationPlace(0x44, IsPort: true, Width: 1));
        machine.Respond = AtReady(() => { });
        machine.Run();
        Assert.Equal(1UL, memory.Take());
        Assert.Equal(1UL, port.Take());
        Assert.StartsWith("EptViolation Write 0x30000000 2 bytes Write 0x4", machine.Transcript.Lines[0]);
        Assert.Equal(2, machine.Transcript.Lines.Count); // the write of another value, and the end
        Chip(machine).Ignore(matching, memory);
    }

    [SplitIrqchipFact]
    public void The_apic_timer_of_kvm_interrupts_the_guest()
    {
        using GuestMachine machine = Waiting(a =>
        {
            WriteApic(a, Divide, 0xB);
            WriteApic(a, TimerEntry, Vector);
            WriteApic(a, InitialCount, 1000);
        }).Make(HostKvm.Engine, LocalApicModel.Kvm);
        machine.Respond = AtReady(() => { });
        machine.Run();
        Assert.Equal(1UL, machine.Processor.Registers.Rbx);
    }

    private static InterruptMessageAddress Message => new(0xFEE0_0000, Vector);

    private static SplitIrqchip Chip(GuestMachine machine) => ((KvmMachine)machine.Machine).Interrupts!;

    /// <summary>A guest that turns its APIC on and waits until the interrupt has come.</summary>
    private static Guest Waiting(Action<Iced.Intel.Assembler>? start = null) => new("waits for an interrupt", GuestMode.Long, a =>
    {
        Iced.Intel.Label loop = a.CreateLabel();
        a.xor(ebx, ebx);
        a.mov(ecx, Msr.Ia32ApicBase);
        a.mov(eax, 0xFEE0_0D00); // enabled, x2APIC, bootstrap processor
        a.xor(edx, edx);
        a.wrmsr();
        WriteApic(a, SpuriousVector, 0x1FF);
        start?.Invoke(a);
        a.sti();
        a.nop();
        a.@out(ReadyPort, al);
        a.Label(ref loop);
        a.test(ebx, ebx);
        a.je(loop);
        a.cli();
        a.@out(EndPort, al);
    })
    {
        Arrange = machine =>
        {
            machine.Intercept(Msr.Ia32ApicBase, exits: false);
            machine.Gate(Vector, GuestLayout.Handler);
            machine.Assemble(GuestLayout.Handler, a =>
            {
                a.inc(ebx);
                WriteApic(a, EndOfInterrupt, 0);
                a.iretq();
            });
        },
        Check = _ => { },
    };

    private static void WriteApic(Iced.Intel.Assembler a, uint msr, uint value)
    {
        a.mov(ecx, msr);
        a.mov(eax, value);
        a.xor(edx, edx);
        a.wrmsr();
    }

    private static ExitResponse AtReady(Action signal) => (machine, ref exit) =>
    {
        if (exit.Reason == ExitReason.IoInstruction && exit.Port == ReadyPort)
        {
            signal();
        }

        bool ends = exit.Reason == ExitReason.IoInstruction && exit.Port == EndPort;
        return ends ? VmExitAction.Leave : GuestMachine.Default(exit);
    };
}
