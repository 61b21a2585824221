namespace Vmm.Vmx.Tests;

/// <summary>SDM Vol. 3C 27.1.</summary>
public sealed class LaunchStateTests
{
    private readonly Vmcs _vmcs = TestProcessor.LongModeVmcs();

    [Fact]
    public void Entry_without_a_current_vmcs_is_vmfailinvalid()
        => Assert.Equal(VmxResult.FailInvalid, VmEntryChecks.CheckLaunchState(null, isLaunch: true));

    [Fact]
    public void Vmlaunch_with_a_launched_vmcs_fails_with_error_4()
    {
        _vmcs.LaunchState = VmcsLaunchState.Launched;

        Assert.Equal(4, (int)VmEntryChecks.CheckLaunchState(_vmcs, isLaunch: true).Error);
        Assert.Equal(4ul, _vmcs[VmcsField.VmInstructionError]);
    }

    [Fact]
    public void Vmresume_with_a_clear_vmcs_fails_with_error_5()
    {
        Assert.Equal(5, (int)VmEntryChecks.CheckLaunchState(_vmcs, isLaunch: false).Error);
        Assert.Equal(5ul, _vmcs[VmcsField.VmInstructionError]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Blocking_by_mov_ss_is_error_26_whatever_the_launch_state(bool isLaunch)
    {
        _vmcs.LaunchState = VmcsLaunchState.Launched;

        Assert.Equal(26, (int)VmEntryChecks.CheckLaunchState(_vmcs, isLaunch, hostBlockedByMovSs: true).Error);
    }

    [Fact]
    public void Vmlaunch_with_a_clear_and_vmresume_with_a_launched_vmcs_succeed()
    {
        Assert.True(VmEntryChecks.CheckLaunchState(_vmcs, isLaunch: true).IsSuccess);
        _vmcs.LaunchState = VmcsLaunchState.Launched;
        Assert.True(VmEntryChecks.CheckLaunchState(_vmcs, isLaunch: false).IsSuccess);
    }
}
