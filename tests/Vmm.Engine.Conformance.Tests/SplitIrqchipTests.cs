using Vmm.Engine.Conformance.Tests.Harness;
using Vmm.Engine.Kvm;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>Local APICs in KVM, with messages, event descriptors and notifications past the exit path.</summary>
public sealed class SplitIrqchipTests
{
    // KVM waits at HLT itself: these guests end at a port.
    private const byte Vector = 0x51, ReadyPort = 0x10, EndPort = 0x11;
    private const ulong Address = 0xFEE0_0000;
    private const uint SpuriousVector = 0x80F, TimerEntry = 0x832, InitialCount = 0x838, Divide = 0x83E, EndOfInterrupt = 0x80B;

    [SplitIrqchipFact]
    public void A_message_interrupts_the_guest()
    {
        using GuestMachine machine = Waiting().Make(HostKvm.Engine, LocalApicModel.Kvm);
        machine.Respond = AtReady(() => Interrupts(machine).Send(Address, Vector));
        machine.Run();
        Assert.Equal(1UL, machine.Processor.Registers.Rbx);
    }

    [SplitIrqchipFact]
    public void An_init_that_has_come_is_in_the_state_that_is_saved_after_the_activity()
    {
        using GuestMachine machine = Waiting().Make(HostKvm.Engine, LocalApicModel.Kvm);
        machine.Respond = AtReady(() => Interrupts(machine).Send(Address, Vector));
        machine.Run();
        _ = machine.Save(); // registers of every kind are known now
        Interrupts(machine).Send(Address, 0x4500);
        Assert.Equal(ActivityState.Active, machine.Processor.LocalApic!.Activity); // the bootstrap processor
        ProcessorState state = machine.Save();
        Assert.Equal((0xFFF0UL, 0xF000, 0UL), (state.Rip, state.Segments[(int)SegmentRegister.Cs].Selector, state.Registers.Rbx));
        Assert.Equal(0UL, state.Cr0 & (ulong)(Cr0Bits.Pe | Cr0Bits.Pg));
        Assert.NotEqual(0x1FFu, machine.Processor.LocalApic.Save().Registers[0xF]);
    }

    [SplitIrqchipFact]
    public void What_was_written_before_the_activity_is_asked_for_is_kept()
    {
        using GuestMachine machine = Waiting().Make(HostKvm.Engine, LocalApicModel.Kvm);
        machine.Processor.Registers.Rsi = 0x1234;
        machine[VmcsField.GuestCr3] = 0x5000;
        machine[VmcsField.GuestRip] = 0x4321;
        _ = machine.Processor.LocalApic!.Activity;
        Assert.Equal((0x1234UL, 0x5000UL, 0x4321UL), (machine.Processor.Registers.Rsi, machine[VmcsField.GuestCr3], machine[VmcsField.GuestRip]));
    }

    [SplitIrqchipFact]
    public void A_message_to_nobody_is_lost()
    {
        using GuestMachine machine = Waiting().Make(HostKvm.Engine, LocalApicModel.Kvm);
        machine.Respond = AtReady(() =>
        {
            Interrupts(machine).Send(Address | (7 << 12), Vector + 1); // its handler would count, too
            Interrupts(machine).Send(Address, Vector);
        });
        machine.Run();
        Assert.Equal(1UL, machine.Processor.Registers.Rbx);
    }

    [SplitIrqchipFact]
    public void A_route_sends_the_message_that_it_has_now()
    {
        using GuestMachine machine = Waiting().Make(HostKvm.Engine, LocalApicModel.Kvm);
        using IMessageRoute? other = Interrupts(machine).CreateRoute(Address, Vector + 1);
        using IMessageRoute? route = Interrupts(machine).CreateRoute(Address, Vector + 1);
        machine.Respond = AtReady(() =>
        {
            route!.Change(Address, Vector);
            route.Signal();
        });
        machine.Run();
        Assert.Equal(1UL, machine.Processor.Registers.Rbx);
    }

    [SplitIrqchipFact]
    public void A_notification_calls_and_does_not_exit_until_its_end()
    {
        using GuestMachine machine = new Guest("notifies", GuestMode.Long, a =>
        {
            a.mov(rbp, (long)GuestLayout.Device);
            a.mov(__word_ptr[rbp], 3);
            a.@out(ReadyPort, al);
            a.mov(__dword_ptr[rbp], 4);
            a.mov(__word_ptr[rbp], 5);
            a.@out(EndPort, al);
        }) { Check = _ => { } }.Make(HostKvm.Engine, LocalApicModel.Kvm);
        using var written = new ManualResetEventSlim();
        IDisposable? notification = Interrupts(machine).Listen(GuestLayout.Device, 2, written.Set);
        machine.Respond = AtReady(() =>
        {
            Assert.True(written.Wait(TimeSpan.FromSeconds(20)));
            notification!.Dispose();
        });
        machine.Run();
        Assert.Equal(["IoInstruction", "EptViolation", "EptViolation", "IoInstruction"], machine.Transcript.Lines.Select(line => line.Split(' ')[0]));
        Assert.StartsWith("EptViolation Write 0x30000000 4 bytes Write 0x4", machine.Transcript.Lines[1]);
    }

    /// <summary>A register that moves takes none of the guest's writes with it.</summary>
    [SplitIrqchipFact]
    public void A_write_that_nobody_was_told_of_yet_is_told_at_the_end_of_the_notification()
    {
        using GuestMachine machine = new Guest("notifies twice", GuestMode.Long, a =>
        {
            a.mov(rbp, (long)GuestLayout.Device);
            a.mov(__word_ptr[rbp], 3);
            a.mov(__word_ptr[rbp + 8], 4);
            a.@out(ReadyPort, al);
            a.@out(EndPort, al);
        }) { Check = _ => { } }.Make(HostKvm.Engine, LocalApicModel.Kvm);
        using ManualResetEventSlim busy = new(), over = new();
        int told = 0;
        using IDisposable? first = Interrupts(machine).Listen(GuestLayout.Device, 2, () =>
        {
            busy.Set();
            over.Wait(TimeSpan.FromSeconds(20));
        });
        IDisposable? second = Interrupts(machine).Listen(GuestLayout.Device + 8, 2, () => Interlocked.Increment(ref told));
        machine.Respond = AtReady(() =>
        {
            Assert.True(busy.Wait(TimeSpan.FromSeconds(20)));
            second!.Dispose();
        });
        machine.Run();
        Assert.Equal(1, Volatile.Read(ref told));
        over.Set();
    }

    [SplitIrqchipFact]
    public void A_place_that_is_taken_gives_no_second_notification()
    {
        using GuestMachine machine = Waiting().Make(HostKvm.Engine, LocalApicModel.Kvm);
        using IDisposable? first = Interrupts(machine).Listen(GuestLayout.Device, 2, () => { });
        Assert.NotNull(first);
        Assert.Null(Interrupts(machine).Listen(GuestLayout.Device, 2, () => { }));
    }

    [SplitIrqchipFact]
    public void The_end_of_a_level_triggered_interrupt_exits()
    {
        using GuestMachine machine = Waiting(end: Spin).Make(HostKvm.Engine, LocalApicModel.Kvm);
        machine.Respond = AtReady(() => Interrupts(machine).Send(Address, Vector | (1 << 15)));
        machine.Run();
        Assert.Equal(1UL, machine.Processor.Registers.Rbx);
        Assert.Contains(machine.Transcript.Lines, line => line.StartsWith("VirtualizedEoi", StringComparison.Ordinal));
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

    private static IEngineInterrupts Interrupts(GuestMachine machine) => machine.Machine.Interrupts!;

    /// <summary>A guest that turns its APIC on and waits until the interrupt has come.</summary>
    private static Guest Waiting(Action<Iced.Intel.Assembler>? start = null, Action<Iced.Intel.Assembler>? end = null) => new("waits for an interrupt", GuestMode.Long, a =>
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
        end?.Invoke(a);
        a.@out(EndPort, al);
    })
    {
        Arrange = machine =>
        {
            machine.Intercept(Msr.Ia32ApicBase, exits: false);
            machine.Gate(Vector, GuestLayout.Handler);
            machine.Gate(Vector + 1, GuestLayout.Handler);
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

    // A KVM that emulates looks for requests every thousand instructions.
    private static void Spin(Iced.Intel.Assembler a)
    {
        Iced.Intel.Label loop = a.CreateLabel();
        a.mov(ecx, 4000);
        a.Label(ref loop);
        a.dec(ecx);
        a.jne(loop);
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
