using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Vmx;

/// <summary>
/// What VM entries and exits load and save by control, and the MSR areas. The guest-state area is the processor itself
/// (<see cref="GuestStateArea"/>): while all controls save and load, and no area has entries, there is nothing to do. In any
/// other case the fields stand aside while the guest runs, and come back with the exit.
/// </summary>
internal sealed unsafe partial class NonRoot
{
    private const VmExitControls SavesAll = VmExitControls.SaveDebugControls | VmExitControls.SaveIa32Pat | VmExitControls.SaveIa32Efer;
    private const VmEntryControls LoadsAll = VmEntryControls.LoadDebugControls | VmEntryControls.LoadIa32Pat | VmEntryControls.LoadIa32Efer;

    private SwitchedRegisters _fields;
    private SwitchedRegisters _host = SwitchedRegisters.Host;
    private bool _switchesState;

    /// <summary>A VMX abort has put the processor into the shutdown state (SDM Vol. 3C 28.7): it enters no guest any more.</summary>
    public bool IsAborted { get; private set; }

    /// <summary>
    /// Notes what the exits so far have left the host, for an entry that does not load it. To be called while the controls are
    /// still those of the exits.
    /// </summary>
    private void NoteHost()
    {
        if (Controls.Exit != VmExitControls.None && !_switchesState)
        {
            SwitchedRegisters fields = SwitchedRegisters.From(_state);
            LoadHostRegisters();
            _host = SwitchedRegisters.From(_state);
            fields.To(_state);
        }
    }

    private void LoadSwitching()
    {
        var entry = (VmEntryControls)_vmcs[VmcsField.VmEntryControls];
        _switchesState = (Controls.Exit & SavesAll) != SavesAll || (entry & LoadsAll) != LoadsAll
            || (_vmcs[VmcsField.EntryMsrLoadCount] | _vmcs[VmcsField.ExitMsrStoreCount] | _vmcs[VmcsField.ExitMsrLoadCount]) != 0;
    }

    /// <summary>Loads what the entry controls name (27.3.2.1); the rest stays the host's.</summary>
    private void EnterSwitchedState()
    {
        CpuState* s = _state;
        var entry = (VmEntryControls)_vmcs[VmcsField.VmEntryControls];
        _fields = SwitchedRegisters.From(s);
        if (!entry.HasFlag(VmEntryControls.LoadDebugControls))
        {
            s->Dr[7] = _host.Dr7;
            s->DebugCtl = _host.DebugCtl;
        }

        if (!entry.HasFlag(VmEntryControls.LoadIa32Pat))
        {
            s->Pat = _host.Pat;
        }

        if (!entry.HasFlag(VmEntryControls.LoadIa32Efer))
        {
            s->Efer = _host.Efer;
        }
    }

    /// <summary>
    /// Stores the guest's MSRs, saves what the exit controls name, loads the host (28.3.1, 28.4, 28.5.1, 28.6). False: a VMX abort.
    /// </summary>
    private bool LeaveSwitchedState()
    {
        CpuState* s = _state;
        if (!MsrAreas.Store(s, _vmcs, _processor.Memory))
        {
            return Abort(VmxAbort.SavingGuestMsrs);
        }

        SwitchedRegisters fields = Saved(SwitchedRegisters.From(s));
        bool loaded = LoadHost();
        fields.To(s);
        _guestStateWritten = true;
        _translationWritten = true;
        return loaded || Abort(VmxAbort.LoadingHostMsrs);
    }

    private SwitchedRegisters Saved(SwitchedRegisters guest)
    {
        if ((Controls.Exit & VmExitControls.SaveDebugControls) == 0)
        {
            guest.Dr7 = _fields.Dr7;
            guest.DebugCtl = _fields.DebugCtl;
        }

        if ((Controls.Exit & VmExitControls.SaveIa32Pat) == 0)
        {
            guest.Pat = _fields.Pat;
        }

        if ((Controls.Exit & VmExitControls.SaveIa32Efer) == 0)
        {
            guest.Efer = _fields.Efer;
        }

        return guest;
    }

    private bool LoadHost()
    {
        LoadHostRegisters();
        bool loaded = MsrAreas.Load(_state, _vmcs, VmcsField.ExitMsrLoadCount, VmcsField.ExitMsrLoadAddress, _processor.Memory) == 0;
        _host = SwitchedRegisters.From(_state);
        return loaded;
    }

    private void LoadHostRegisters()
    {
        CpuState* s = _state;
        s->Dr[7] = (ulong)Dr7Bits.Fixed1;
        s->DebugCtl = 0;
        if ((Controls.Exit & VmExitControls.LoadIa32Pat) != 0)
        {
            s->Pat = _vmcs[VmcsField.HostIa32Pat];
        }

        if ((Controls.Exit & VmExitControls.LoadIa32Efer) != 0)
        {
            s->Efer = _vmcs[VmcsField.HostIa32Efer];
        }

        // "Host address-space size" is 1: the checks allow no other host.
        s->Efer |= (ulong)(EferBits.Lme | EferBits.Lma);
    }

    private bool Abort(VmxAbort indicator)
    {
        _vmcs.AbortIndicator = indicator;
        _result = VmxResult.FailInvalid;
        IsAborted = true;
        return false;
    }
}
