using Vmm.Engine.Kvm.Interop;
using Vmm.Engine.Kvm.Processor;
using Vmm.Engine.Kvm.Vmx;

namespace Vmm.Engine.Kvm;

// VM entries (SDM Vol. 3C ch. 27): what was written is checked and put in force; then the event is injected.
internal sealed unsafe partial class KvmProcessor
{
    private Vmcs _vmcs = new(0);
    private VmxResult _result;
    private PrimaryProcessorBasedControls _primary;
    private bool _controlsWritten;
    private bool _tablesWritten;
    private bool _guestStateWritten;
    private bool _injectionWritten;
    private bool _cpuidIsSet;

    /// <summary>Why the last entry failed, for people; null when none did.</summary>
    public VmEntryFailure? LastFailure { get; private set; }

    /// <summary>Another VMCS has become current, or a whole state was loaded.</summary>
    private void NoteNewState()
    {
        _controlsWritten = _tablesWritten = _guestStateWritten = true;
    }

    /// <summary>VMWRITE has changed the current VMCS: the next entry looks again.</summary>
    private void NoteWrite(VmcsField field)
    {
        switch (field)
        {
            case VmcsField.EntryInterruptionInformation or VmcsField.EntryExceptionErrorCode or VmcsField.EntryInstructionLength:
                _injectionWritten = true;
                break;
            case VmcsField.PreemptionTimerValue:
                break; // read at the next VMLAUNCH or VMRESUME
            case VmcsField.GuestRip or VmcsField.GuestRsp or VmcsField.GuestInterruptibilityState:
                break; // what every exit may change; nothing follows from it
            case VmcsField.EptPointer or VmcsField.MsrBitmapAddress:
                _tablesWritten = _controlsWritten = true;
                break;
            default:
                _guestStateWritten |= field.Type == VmcsFieldType.GuestState;
                _controlsWritten |= field.Type != VmcsFieldType.GuestState;
                break;
        }
    }

    /// <summary>
    /// The part of a VM entry that is due: nothing when the sink wrote nothing. False: the guest is not entered; the result
    /// or the sink says so.
    /// </summary>
    private bool Reenter()
    {
        while (_controlsWritten || _guestStateWritten || _injectionWritten)
        {
            FollowLongMode();
            LastFailure = _checks.CheckControls(_vmcs) ?? (_controlsWritten ? _checks.CheckHostState(_vmcs) : null);
            if (LastFailure is { } failure)
            {
                _result = _vmcs.Fail(failure.Error);
                return false;
            }

            if (!CanInject(new InterruptionInformation((uint)_vmcs[VmcsField.EntryInterruptionInformation])))
            {
                _result = _vmcs.Fail(VmInstructionError.EntryInvalidControlFields);
                return false;
            }

            _injectionWritten = false;
            if (_guestStateWritten && !CheckGuestState())
            {
                return false;
            }

            if (!_guestStateWritten && _controlsWritten)
            {
                LoadControls();
            }
        }

        return true;
    }

    // False: the entry failed and the sink left. True: it passed, or the sink has written something else.
    private bool CheckGuestState()
    {
        _guestStateWritten = false;
        _guest.Store(_vmcs);
        LastFailure = _checks.CheckGuestState(_vmcs);
        if (LastFailure is null)
        {
            return true;
        }

        Begin(ExitReason.EntryFailureGuestState, (ulong)LastFailure.Qualification);
        _exit.EntryFailure = true;
        if (Deliver() == VmExitAction.Leave)
        {
            _guestStateWritten = true;
            return false;
        }

        _guestStateWritten = true;
        return true;
    }

    private void LoadControls()
    {
        _controlsWritten = false;
        _primary = (PrimaryProcessorBasedControls)_vmcs[VmcsField.PrimaryProcessorBasedControls];
        if (_tablesWritten)
        {
            _machine.Slots.Apply(_vmcs[VmcsField.EptPointer]);
            _tablesWritten = false;
        }

        LoadTimestamp();
    }

    /// <summary>What the host's time and the pages that fields point to say; once an entry by VMLAUNCH or VMRESUME.</summary>
    private void LoadSurroundings()
    {
        _machine.MsrFilter.Apply(_vmcs[VmcsField.MsrBitmapAddress]);
        LoadTimestamp();
    }

    private void LoadTimestamp()
    {
        if (Has(PrimaryProcessorBasedControls.UseTscOffsetting) && (FollowTime() | _apic is { HasDeadlineToLoad: true }))
        {
            _apic?.NoteTimestamp();
        }
    }

    // True: the counter was set.
    private bool FollowTime() => Has(PrimaryProcessorBasedControls.UseTscOffsetting) && _timestamp.Apply(_vmcs[VmcsField.TscOffset]);

    /// <summary>The "IA-32e mode guest" control follows LMA at exits (SDM Vol. 3C 28.2); here, when somebody looks.</summary>
    private void FollowLongMode()
    {
        if (_entryControlsStale && _operation.Current is { } vmcs)
        {
            _entryControlsStale = false;
            ulong control = (ulong)VmEntryControls.Ia32eModeGuest;
            bool isLong = (_registers.Special.Efer & (ulong)EferBits.Lma) != 0;
            vmcs[VmcsField.VmEntryControls] = (vmcs[VmcsField.VmEntryControls] & ~control) | (isLong ? control : 0);
        }
    }

    private bool Has(PrimaryProcessorBasedControls control) => (_primary & control) != 0;

    /// <summary>Asks the sink what CPUID is to show; before the first entry, as KVM takes no other table later.</summary>
    private bool RehearseCpuid()
    {
        if (_cpuidIsSet)
        {
            return true;
        }

        GuestRegisters registers = _registers.General;
        ulong rip = _registers.Rip;
        var rehearsal = new CpuidRehearsal(AskCpuid);
        bool finished = rehearsal.Run();
        _registers.General = registers;
        _registers.Rip = rip;
        if (finished)
        {
            CpuidRehearsal.Set(_vcpu, rehearsal.Entries);
            _cpuidIsSet = true;
        }

        return finished;
    }

    private CpuidResult? AskCpuid(uint leaf, uint subleaf)
    {
        ref GuestRegisters registers = ref _registers.General;
        registers.Rax = leaf;
        registers.Rcx = subleaf;
        registers.Rbx = registers.Rdx = 0;
        Begin(ExitReason.Cpuid);
        if (Deliver() == VmExitAction.Leave)
        {
            return null;
        }

        registers = ref _registers.General;
        return new CpuidResult((uint)registers.Rax, (uint)registers.Rbx, (uint)registers.Rcx, (uint)registers.Rdx);
    }
}
