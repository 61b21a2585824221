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
    private bool _eventInKvm;
    private uint _debugControl;

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
        if (Has(PrimaryProcessorBasedControls.UseTscOffsetting))
        {
            bool isSet = _timestamp.Apply(_vmcs[VmcsField.TscOffset]);
            if (_apic is { } apic && (isSet || apic.HasDeadlineToLoad))
            {
                apic.NoteTimestamp();
            }
        }
    }

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

    // KVM takes no instruction length, which software interrupts and exceptions are injected with, and no pending MTF.
    private static bool CanInject(InterruptionInformation information) =>
        !information.IsValid || information.Type is InterruptionType.ExternalInterrupt or InterruptionType.Nmi or InterruptionType.HardwareException;

    /// <summary>Gives KVM the event to inject, if there is one and the guest can take it.</summary>
    private void Inject()
    {
        _waitsForWindow = false;
        var information = new InterruptionInformation((uint)_vmcs[VmcsField.EntryInterruptionInformation]);
        if (!information.IsValid)
        {
            return;
        }

        switch (information.Type)
        {
            case InterruptionType.ExternalInterrupt when !TakesInterrupts:
                _waitsForWindow = true;
                return;
            case InterruptionType.ExternalInterrupt:
                InjectExternalInterrupt(information.Vector);
                _eventInKvm = true;
                break;
            case InterruptionType.Nmi:
                _registers.WriteBack();
                _vcpu.Request(KvmRequest.Nmi);
                _registers.ForgetEvents();
                break;
            default:
                ref KvmVcpuEvents events = ref _registers.EventsForWriting;
                events.ExceptionInjected = 1;
                events.ExceptionVector = information.Vector;
                events.ExceptionHasErrorCode = (byte)(information.DeliversErrorCode ? 1 : 0);
                events.ExceptionErrorCode = (uint)_vmcs[VmcsField.EntryExceptionErrorCode];
                _eventInKvm = true;
                break;
        }

        _vmcs[VmcsField.EntryInterruptionInformation] = information.Value & 0x7FFF_FFFF;
    }

    // KVM's own APIC takes KVM_INTERRUPT for a request of the 8259A, which the guest may still refuse. Here it is
    // acknowledged: it goes where KVM keeps interrupts that it is delivering, and that ends a HLT.
    private void InjectExternalInterrupt(byte vector)
    {
        if (_apic is null)
        {
            _registers.WriteBack();
            uint number = vector;
            _vcpu.Request(KvmRequest.Interrupt, ref number);
            _registers.ForgetEvents();
            return;
        }

        ref KvmVcpuEvents events = ref _registers.EventsForWriting;
        events.InterruptInjected = 1;
        events.InterruptVector = vector;
        events.InterruptSoft = 0;
        if (_apic.Activity == ActivityState.Hlt)
        {
            _apic.Activity = ActivityState.Active;
        }
    }

    /// <summary>An event that KVM has not delivered goes back to the VMCS: the sink sees what waits, and may replace it.</summary>
    private void TakeBackEvent()
    {
        if (!_eventInKvm)
        {
            return;
        }

        _eventInKvm = false;
        KvmVcpuEvents now = _registers.Events;
        bool isInterrupt = now.InterruptInjected != 0 && now.InterruptSoft == 0
            && now.InterruptVector == (byte)_vmcs[VmcsField.EntryInterruptionInformation]; // not one of KVM's APIC
        if (now.ExceptionInjected != 0 || isInterrupt)
        {
            ref KvmVcpuEvents events = ref _registers.EventsForWriting;
            events.ExceptionInjected = 0;
            events.InterruptInjected = 0;
            _vmcs[VmcsField.EntryInterruptionInformation] |= 1UL << 31;
        }
    }

    private bool IsEventQueued => new InterruptionInformation((uint)_vmcs[VmcsField.EntryInterruptionInformation]).IsValid;

    // With its own APIC KVM says so, as LINT0 counts too.
    private bool InterruptWindowIsOpen => _apic is null ? TakesInterrupts : _run->ReadyForInterruptInjection != 0;

    private bool TakesInterrupts =>
        (_registers.Rflags & (ulong)RflagsBits.If) != 0 && _registers.Events.InterruptShadow == 0;

    private void SetDebugControl(bool steps)
    {
        uint control = (steps ? KvmGuestDebug.SingleStep : 0)
            | (_vmcs[VmcsField.ExceptionBitmap] != 0 ? KvmGuestDebug.SoftwareBreakpoints : 0);
        if (control != _debugControl)
        {
            var request = new KvmGuestDebug { Control = control == 0 ? 0 : control | KvmGuestDebug.Enable };
            _vcpu.Request(KvmRequest.SetGuestDebug, ref request);
            _debugControl = control;
        }
    }

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
