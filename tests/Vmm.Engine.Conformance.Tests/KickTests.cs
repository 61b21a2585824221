using Vmm.Engine.Conformance.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>What brings a processor out of a guest that never exits by itself.</summary>
public sealed class KickTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    public static TheoryData<string> Engines => EngineNames.Present;

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_kick_from_another_thread_ends_an_endless_loop(string engine)
    {
        using GuestMachine machine = EndlessLoop(engine);
        using var running = new SemaphoreSlim(0);
        machine.Respond = (_, ref exit) =>
        {
            if (exit.Reason == ExitReason.IoInstruction)
            {
                running.Release();
            }

            return exit.Reason == ExitReason.ExternalInterrupt ? VmExitAction.Leave : GuestMachine.Default(exit);
        };
        Task run = Task.Factory.StartNew(machine.Run, TaskCreationOptions.LongRunning);
        Assert.True(await running.WaitAsync(Deadline));
        machine.Processor.Kick();
        await run.WaitAsync(Deadline);
        Assert.StartsWith("ExternalInterrupt", machine.Transcript.Lines[^1]);
    }

    /// <summary>Or the kernel would inject an interrupt that the guest holds back.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public async Task What_the_guest_has_written_to_CR8_is_told_before_a_kick(string engine)
    {
        using GuestMachine machine = new Guest("an endless loop at a high priority", GuestMode.Long, a =>
        {
            Iced.Intel.Label loop = a.CreateLabel();
            a.mov(eax, 15);
            a.mov(cr8, rax);
            a.mov(__byte_ptr[GuestLayout.Data], al);
            a.Label(ref loop);
            a.jmp(loop);
        })
        {
            Check = _ => { },
            Respond = (_, ref exit) => exit.Reason == ExitReason.ExternalInterrupt ? VmExitAction.Leave : GuestMachine.Default(exit),
        }.Make(EngineNames.Find(engine));
        machine.Set(PrimaryProcessorBasedControls.Cr8LoadExiting);
        Task run = Task.Factory.StartNew(machine.Run, TaskCreationOptions.LongRunning);
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref machine.Memory.Bytes[(int)GuestLayout.Data]) != 0, Deadline));
        machine.Processor.Kick();
        await run.WaitAsync(Deadline);
        Assert.Equal(["ControlRegisterAccess", "ExternalInterrupt"], machine.Transcript.Lines.Select(line => line.Split(' ')[0]));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void A_kick_before_the_entry_exits_before_the_first_instruction(string engine)
    {
        using GuestMachine machine = EndlessLoop(engine);
        machine.Respond = (_, ref exit) => exit.Reason == ExitReason.Cpuid ? GuestMachine.Default(exit) : VmExitAction.Leave;
        machine.Processor.Kick();
        machine.Run();
        Assert.Equal("ExternalInterrupt at 0x10000", machine.Transcript.Lines[^1]);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void The_preemption_timer_ends_an_endless_loop_on_time(string engine)
    {
        using GuestMachine machine = EndlessLoop(engine);
        machine[VmcsField.PinBasedControls] |= (ulong)PinBasedControls.ActivatePreemptionTimer;
        int shift = (int)(machine.Engine.Capabilities.Msrs[Msr.Ia32VmxMisc] & 0x1F);
        const ulong Quantum = 20_000_000; // ns
        machine[VmcsField.PreemptionTimerValue] = Quantum >> shift;
        machine.Respond = (_, ref exit) => exit.Reason == ExitReason.PreemptionTimerExpired ? VmExitAction.Leave : GuestMachine.Default(exit);
        ulong start = machine.Time.Timestamp;
        machine.Run();
        Assert.StartsWith("PreemptionTimerExpired", machine.Transcript.Lines[^1]);
        Assert.InRange(machine.Time.Timestamp - start, Quantum - 100, Quantum + 2_000_000_000);
    }

    private static GuestMachine EndlessLoop(string engine) => new Guest("an endless loop", GuestMode.Long, a =>
    {
        Iced.Intel.Label loop = a.CreateLabel();
        a.@out(0x10, al);
        a.Label(ref loop);
        a.inc(rbx);
        a.jmp(loop);
    }) { Check = _ => { } }.Make(EngineNames.Find(engine));
}
