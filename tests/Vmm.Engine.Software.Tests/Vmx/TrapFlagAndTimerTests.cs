using System.Diagnostics;
using Vmm.Sdk;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Vmx;

/// <summary>Exits that end the work of a guest whatever it does: the monitor trap flag and the preemption timer (SDM Vol. 3C 26.5.1, 26.5.2).</summary>
public sealed class TrapFlagAndTimerTests
{
    [Fact]
    [SetsControl(PrimaryProcessorBasedControls.MonitorTrapFlag)]
    public void The_monitor_trap_flag_exits_after_each_instruction()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PrimaryProcessorBasedControls.MonitorTrapFlag);
        machine.Respond = (_, ref _) => VmExitAction.Resume;
        machine.Launch(a =>
        {
            a.nop();
            a.inc(eax);
            a.inc(eax);
        });
        Assert.Equal(3, machine.Exits.Count(exit => exit.Reason == ExitReason.MonitorTrapFlag));
    }

    [Fact]
    [ClearsControl(PrimaryProcessorBasedControls.MonitorTrapFlag)]
    public void Without_the_monitor_trap_flag_instructions_do_not_exit()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Clear(PrimaryProcessorBasedControls.MonitorTrapFlag);
        machine.Launch(a => a.nop());
        Assert.Equal(ExitReason.Hlt, Assert.Single(machine.Exits).Reason);
    }

    [Fact]
    public void The_monitor_trap_flag_exits_after_each_iteration_of_a_repeated_instruction()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PrimaryProcessorBasedControls.MonitorTrapFlag);
        List<ulong> counts = [];
        machine.Respond = (m, ref _) =>
        {
            counts.Add(m.Processor.Registers.Rcx);
            return VmExitAction.Resume;
        };
        machine.Launch(a =>
        {
            a.mov(rdi, VmxMachine.Data);
            a.mov(ecx, 3);
            a.rep.stosb();
        });
        Assert.Equal([0, 3, 2, 1, 0], counts);
    }

    [Fact]
    public void The_monitor_trap_flag_exits_at_the_handler_of_an_exception()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PrimaryProcessorBasedControls.MonitorTrapFlag);
        machine.Gate(6);
        machine.Launch(a => a.ud2());
        Assert.Equal(ExitReason.MonitorTrapFlag, machine.Last.Reason);
        Assert.Equal(VmxMachine.Handler, machine[VmcsField.GuestRip]);
    }

    [Fact]
    public void The_monitor_trap_flag_exits_at_the_handler_of_an_injected_event()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PrimaryProcessorBasedControls.MonitorTrapFlag);
        machine.Gate(6);
        machine[VmcsField.EntryInterruptionInformation] = InterruptionInformation.HardwareException(ExceptionVector.InvalidOpcode).Value;
        machine.Launch(a => a.nop());
        Assert.Equal(ExitReason.MonitorTrapFlag, machine.Last.Reason);
        Assert.Equal(VmxMachine.Handler, machine[VmcsField.GuestRip]);
    }

    [Fact]
    public void An_injected_event_of_the_type_other_is_a_pending_trap_exit()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.EntryInterruptionInformation] = InterruptionInformation.Create(InterruptionType.OtherEvent, 0).Value;
        machine.Launch(a => a.ud2());
        Assert.Equal(ExitReason.MonitorTrapFlag, machine.Last.Reason);
        Assert.Equal(VmxMachine.Code, machine[VmcsField.GuestRip]);
    }

    [Fact]
    [ClearsControl(PinBasedControls.ActivatePreemptionTimer)]
    public void Without_its_control_the_preemption_timer_does_not_exit()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Clear(PinBasedControls.ActivatePreemptionTimer);
        machine[VmcsField.PreemptionTimerValue] = 0;
        machine.Launch(a => a.nop());
        Assert.Equal(ExitReason.Hlt, Assert.Single(machine.Exits).Reason);
    }

    [Fact]
    [SetsControl(PinBasedControls.ActivatePreemptionTimer)]
    public void An_expired_preemption_timer_exits_before_any_instruction()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PinBasedControls.ActivatePreemptionTimer);
        machine[VmcsField.PreemptionTimerValue] = 0;
        machine.Launch(a => a.ud2());
        Assert.Equal(ExitReason.PreemptionTimerExpired, machine.Last.Reason);
        Assert.Equal(VmxMachine.Code, machine[VmcsField.GuestRip]);
    }

    [Fact]
    public void The_preemption_timer_ends_a_loop()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PinBasedControls.ActivatePreemptionTimer);
        machine.Set(VmExitControls.SavePreemptionTimerValue);
        machine.Set(PrimaryProcessorBasedControls.PauseExiting);
        machine[VmcsField.PreemptionTimerValue] = 1000;
        Stopwatch running = Stopwatch.StartNew();
        machine.Respond = (m, ref exit) =>
        {
            if (exit.Reason != ExitReason.Pause || running.Elapsed > TimeSpan.FromSeconds(20))
            {
                return VmExitAction.Leave;
            }

            // The alarm that makes the run loop look at the clock takes real time.
            m.Exits.Clear();
            m.Time.Timestamp += 1000;
            return VmExitAction.NextInstruction;
        };
        machine.Launch(a =>
        {
            Iced.Intel.Label loop = a.CreateLabel();
            a.Label(ref loop);
            a.pause();
            a.jmp(loop);
        });
        Assert.Equal(ExitReason.PreemptionTimerExpired, machine.Last.Reason);
    }
}
