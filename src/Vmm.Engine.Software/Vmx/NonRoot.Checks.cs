using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Vmx;

/// <summary>The checks of VM entries, by <see cref="VmEntryChecks"/>.</summary>
internal sealed unsafe partial class NonRoot
{
    private VmEntryChecks? _checks;

    /// <summary>Why the last entry failed, for people; null when none did.</summary>
    public VmEntryFailure? LastFailure { get; private set; }

    private VmEntryChecks Checks => _checks ??= new VmEntryChecks(EngineCapabilities.Instance, _processor.ReadPhysical);

    private VmxResult CheckControlsAndHost()
    {
        GuestStateArea.Store(_state, _vmcs);
        LastFailure = Checks.CheckControls(_vmcs) ?? Checks.CheckHostState(_vmcs);
        return LastFailure is { } failure ? _vmcs.Fail(failure.Error) : VmxResult.Succeed;
    }

    private bool CheckGuestState()
    {
        LastFailure = Checks.CheckGuestState(_vmcs);
        return LastFailure is null || FailEntry(ExitReason.EntryFailureGuestState, (ulong)LastFailure.Qualification);
    }

    /// <summary>An entry for which only the event to inject was written: the rest has passed before.</summary>
    private bool CheckInjection()
    {
        GuestStateArea.Store(_state, _vmcs);
        LastFailure = Checks.CheckControls(_vmcs);
        if (LastFailure is { } failure)
        {
            _result = _vmcs.Fail(failure.Error);
            return false;
        }

        return true;
    }
}
