using Vmm.Sdk;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Software.Tests.Vmx;

/// <summary>Activity states: what leads into them and what ends them (SDM Vol. 3C 25.4.2, 26.5.1, 27.7.2 to 27.7.6).</summary>
public sealed class ActivityStateTests
{
    [Fact]
    [ClearsControl(PrimaryProcessorBasedControls.HltExiting)]
    public void Without_its_control_HLT_stops_the_guest_until_an_event()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Clear(PrimaryProcessorBasedControls.HltExiting);
        machine.Set(PrimaryProcessorBasedControls.InterruptWindowExiting);
        machine.Launch(a => a.sti());
        Assert.Equal(ExitReason.InterruptWindow, Assert.Single(machine.Exits).Reason);
        Assert.Equal((ulong)ActivityState.Hlt, machine[VmcsField.GuestActivityState]);
        Assert.Equal(VmxMachine.Code + 2, machine[VmcsField.GuestRip]);
    }

    [Fact]
    [SetsControl(PrimaryProcessorBasedControls.HltExiting)]
    public void With_its_control_HLT_exits_and_the_guest_stays_active()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(PrimaryProcessorBasedControls.HltExiting);
        machine.Launch(_ => { });
        Assert.Equal(ExitReason.Hlt, Assert.Single(machine.Exits).Reason);
        Assert.Equal((ulong)ActivityState.Active, machine[VmcsField.GuestActivityState]);
        Assert.Equal(VmxMachine.Code, machine[VmcsField.GuestRip]);
    }

    [Theory]
    [InlineData(ActivityState.Hlt, ExitReason.InterruptWindow)]
    [InlineData(ActivityState.Shutdown, ExitReason.ExternalInterrupt)]
    [InlineData(ActivityState.WaitForSipi, ExitReason.ExternalInterrupt)]
    public void An_open_interrupt_window_ends_HLT_only(ActivityState state, ExitReason first)
    {
        using VmxMachine machine = Inactive(state);
        machine.Set(PrimaryProcessorBasedControls.InterruptWindowExiting);
        machine.Launch(_ => { });
        Assert.Equal(first, machine.Last.Reason);
    }

    [Theory]
    [InlineData(ActivityState.Hlt, ExitReason.NmiWindow)]
    [InlineData(ActivityState.Shutdown, ExitReason.NmiWindow)]
    [InlineData(ActivityState.WaitForSipi, ExitReason.ExternalInterrupt)]
    public void An_open_NMI_window_ends_HLT_and_shutdown(ActivityState state, ExitReason first)
    {
        using VmxMachine machine = Inactive(state);
        machine.Set(PinBasedControls.NmiExiting | PinBasedControls.VirtualNmis);
        machine.Set(PrimaryProcessorBasedControls.NmiWindowExiting);
        machine.Launch(_ => { });
        Assert.Equal(first, machine.Last.Reason);
    }

    [Theory]
    [InlineData(ActivityState.Hlt, ExitReason.PreemptionTimerExpired)]
    [InlineData(ActivityState.Shutdown, ExitReason.PreemptionTimerExpired)]
    [InlineData(ActivityState.WaitForSipi, ExitReason.ExternalInterrupt)]
    public void The_preemption_timer_ends_HLT_and_shutdown(ActivityState state, ExitReason first)
    {
        using VmxMachine machine = Inactive(state);
        machine.Set(PinBasedControls.ActivatePreemptionTimer);
        machine[VmcsField.PreemptionTimerValue] = 0;
        machine.Launch(_ => { });
        Assert.Equal(first, machine.Last.Reason);
        Assert.Equal((ulong)state, machine[VmcsField.GuestActivityState]);
    }

    [Fact]
    public void An_injected_interrupt_ends_HLT()
    {
        using VmxMachine machine = Inactive(ActivityState.Hlt);
        machine.Gate(0x40);
        machine.Respond = (_, ref _) => VmExitAction.Resume;
        machine[VmcsField.EntryInterruptionInformation] = InterruptionInformation.ExternalInterrupt(0x40).Value;
        machine.Launch(_ => { });
        Assert.Equal([ExitReason.ExternalInterrupt, ExitReason.Hlt], machine.Reasons);
        Assert.Equal(VmxMachine.Handler, machine[VmcsField.GuestRip]);
        Assert.Equal((ulong)ActivityState.Active, machine[VmcsField.GuestActivityState]);
    }

    [Theory]
    [InlineData(ActivityState.Shutdown)]
    [InlineData(ActivityState.WaitForSipi)]
    public void An_interrupt_cannot_be_injected_into_any_other_state(ActivityState state)
    {
        using VmxMachine machine = Inactive(state);
        machine[VmcsField.EntryInterruptionInformation] = InterruptionInformation.ExternalInterrupt(0x40).Value;
        machine.Launch(_ => { });
        Assert.Equal(ExitReason.EntryFailureGuestState, machine.Last.Reason);
    }

    [Theory]
    [SetsControl(PinBasedControls.ExternalInterruptExiting)]
    [ClearsControl(PinBasedControls.ExternalInterruptExiting)]
    [InlineData(true)]
    [InlineData(false)]
    public void A_kick_has_no_vector_to_deliver_and_exits_whatever_the_control_says(bool exiting)
    {
        using VmxMachine machine = Inactive(ActivityState.Active);
        machine[VmcsField.PinBasedControls] = machine.Capabilities.Adjust(
            Msr.Ia32VmxTruePinbasedCtls, (uint)(exiting ? PinBasedControls.ExternalInterruptExiting : PinBasedControls.None));
        machine.Launch(a => a.ud2());
        Assert.Equal(ExitReason.ExternalInterrupt, machine.Last.Reason);
    }

    // With a kick waiting, so that the run ends even if nothing else ends the state.
    private static VmxMachine Inactive(ActivityState state)
    {
        VmxMachine machine = new VmxMachine().Start();
        machine[VmcsField.GuestActivityState] = (ulong)state;
        machine[VmcsField.GuestRflags] = (ulong)(RflagsBits.Fixed1 | RflagsBits.If);
        machine.Processor.Kick();
        return machine;
    }
}
