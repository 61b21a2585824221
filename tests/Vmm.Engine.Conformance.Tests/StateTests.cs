using Vmm.Engine.Conformance.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>State that leaves an engine and comes back, or goes to the other one.</summary>
public sealed class StateTests
{
    private const byte PausePort = 0x30, NotePort = 0x31;

    public static TheoryData<string> Engines => EngineNames.Present;

    public static TheoryData<string, string> Moves => EngineNames.Moves;

    [Theory]
    [MemberData(nameof(Engines))]
    public void State_that_was_loaded_is_saved_again(string engine)
    {
        using var machine = new GuestMachine(EngineNames.Find(engine), GuestMode.Long);
        ProcessorState before = Unusual(machine.Save());
        machine.Load(before);
        Assert.Equal(StateComparison.Describe(before), StateComparison.Describe(machine.Save()));
    }

    /// <summary>Paused in the middle of loops, with registers, MSRs and memory that all count for the result.</summary>
    [KvmTheory]
    [MemberData(nameof(Moves))]
    public void A_guest_paused_on_one_engine_continues_on_the_other(string from, string to)
    {
        using GuestMachine whole = Worker.Make(EngineNames.Find(to));
        whole.Run();
        using GuestMachine first = Worker.Make(EngineNames.Find(from));
        first.Respond = PauseAt(3);
        first.Run();
        using GuestMachine second = Worker.Make(EngineNames.Find(to));
        second.Memory.CopyFrom(first.Memory);
        second.Load(first.Save());
        second.Run();
        Assert.Equal(whole.Transcript.Lines, first.Transcript.Lines.Concat(second.Transcript.Lines));
        Assert.Equal(StateComparison.Describe(whole.Save()), StateComparison.Describe(second.Save()));
        Assert.True(whole.Memory.Bytes.SequenceEqual(second.Memory.Bytes), "The guests' memories differ.");
    }

    /// <summary>An interrupt that waits for its injection goes along.</summary>
    [KvmTheory]
    [MemberData(nameof(Moves))]
    public void An_event_that_waits_moves_too(string from, string to)
    {
        using GuestMachine first = Interrupted.Make(EngineNames.Find(from));
        first.Respond = (machine, ref exit) =>
        {
            if (exit.Reason != ExitReason.IoInstruction)
            {
                return GuestMachine.Default(exit);
            }

            machine.Inject(InterruptionInformation.ExternalInterrupt(0x40));
            exit.CompleteFirst = true;
            return VmExitAction.Leave;
        };
        first.Run();
        using GuestMachine second = Interrupted.Make(EngineNames.Find(to));
        second.Memory.CopyFrom(first.Memory);
        ProcessorState state = first.Save();
        Assert.Equal(InterruptionInformation.ExternalInterrupt(0x40).Value, state.PendingEvent);
        second.Load(state);
        second.Run();
        Assert.Equal(1UL, second.Processor.Registers.Rsi);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_processor_that_was_shut_down_starts_again_after_a_reset(string engine)
    {
        using GuestMachine machine = new Guest("reset", GuestMode.Long, a => a.ud2()) { Check = _ => { } }.Run(EngineNames.Find(engine));
        Assert.StartsWith("TripleFault", machine.Transcript.Lines[^1]);
        machine.Assemble(GuestLayout.Code, a => Guest.End(a, GuestMode.Long));
        machine.Processor.LoadState(GuestLayout.Start(GuestMode.Long, machine.Engine.Capabilities));
        machine.Run();
        Assert.StartsWith("Hlt", machine.Transcript.Lines[^1]);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void Pages_that_the_guest_writes_are_dirty(string engine)
    {
        using GuestMachine machine = new Guest("dirty pages", GuestMode.Long, a =>
        {
            a.mov(__dword_ptr[0x20_1000], 1);
            a.mov(eax, __dword_ptr[0x20_2000]);
            a.@out(PausePort, al);
            a.mov(__dword_ptr[0x20_3FFE], eax);
        })
        {
            Check = _ => { },
            Respond = PauseAt(1),
        }.Make(EngineNames.Find(engine));
        machine.Memory.TrackDirty();
        machine.Run();
        Assert.Contains(0x201, machine.Memory.TakeDirtyPages());
        machine.Memory.TrackDirty();
        machine.Run();
        int[] dirty = [.. machine.Memory.TakeDirtyPages().Where(page => page >= 0x200)];
        Assert.Equal([0x203, 0x204], dirty);
    }

    /// <summary>A loop whose sum depends on general registers, an MSR, memory and the direction flag.</summary>
    private static Guest Worker => new("a guest that moves", GuestMode.Long, a =>
    {
        Iced.Intel.Label loop = a.CreateLabel();
        a.std();
        a.mov(ecx, Msr.Ia32KernelGsBase);
        a.mov(eax, 0x1234);
        a.mov(edx, 0x56);
        a.wrmsr();
        a.mov(rdi, (long)GuestLayout.Data + 0x100);
        a.mov(r9d, 5);
        a.xor(ebx, ebx);
        a.Label(ref loop);
        a.mov(eax, r9d);
        a.stosq();
        a.add(rbx, __qword_ptr[rdi + 8]);
        a.@out(PausePort, al);
        a.mov(ecx, Msr.Ia32KernelGsBase);
        a.rdmsr();
        a.add(rbx, rax);
        a.@out(NotePort, al);
        a.dec(r9d);
        a.jne(loop);
    })
    {
        Check = _ => { },
    };

    private static Guest Interrupted => new("a guest that moves with an interrupt", GuestMode.Long, a =>
    {
        a.xor(ebx, ebx);
        a.sti();
        a.nop();
        a.@out(PausePort, al);
        a.mov(esi, ebx);
        a.cli();
    })
    {
        Arrange = machine =>
        {
            machine.Gate(0x40, GuestLayout.Handler);
            machine.Assemble(GuestLayout.Handler, a =>
            {
                a.inc(ebx);
                a.iretq();
            });
        },
        Check = _ => { },
    };

    private static ExitResponse PauseAt(int count) => (machine, ref exit) =>
    {
        if (exit.Reason == ExitReason.IoInstruction && exit.Port == PausePort && --count == 0)
        {
            exit.CompleteFirst = true;
            return VmExitAction.Leave;
        }

        return GuestMachine.Default(exit);
    };

    private static ProcessorState Unusual(ProcessorState state)
    {
        for (int n = 0; n < 16; n++)
        {
            System.Runtime.CompilerServices.Unsafe.Add(ref state.Registers.Rax, n) = 0x1111_1111_1111_1111 * (ulong)n;
        }

        state.Rflags = 0x2 | (ulong)(RflagsBits.Cf | RflagsBits.Df | RflagsBits.If);
        state.Cr2 = 0x1234_5000;
        state.Cr8 = 3;
        (state.DebugRegisters[0], state.DebugRegisters[1], state.DebugRegisters[2], state.DebugRegisters[3]) = (0x5555_0000, 0x7777_0000, 0x9999_0000, 0xBBBB_0000);
        (state.DebugRegisters[6], state.DebugRegisters[7]) = (0xFFFF_0FF1, 0x1234_0400);
        state.Segments[(int)SegmentRegister.Fs] = state.Segments[(int)SegmentRegister.Fs] with { Base = 0x1234_5678_9000 };
        state.Msrs[Msr.Ia32Lstar] = 0xFFFF_8000_0000_1000;
        state.Msrs[Msr.Ia32Star] = 0x0013_0008_0000_0000;
        state.Msrs[Msr.Ia32KernelGsBase] = 0x4_0000;
        state.Interruptibility = (uint)InterruptibilityState.BlockingBySti;
        for (int n = 160; n < 416; n++)
        {
            state.XsaveArea[n] = (byte)n; // XMM registers
        }

        state.PendingEvent = InterruptionInformation.HardwareException(ExceptionVector.GeneralProtection).Value;
        state.PendingEventErrorCode = 0x18;
        return state;
    }
}
