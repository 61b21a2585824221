namespace Vmm.Kernel;

// Injection: how interrupts, NMIs and exceptions get into the guest, and the windows that tell when it can take them.
internal sealed partial class VirtualProcessor
{
    private bool _nmiPending;
    private PrimaryProcessorBasedControls _primaryControls;

    /// <inheritdoc/>
    public void InjectException(byte vector, uint? errorCode)
    {
        if (errorCode is { } code)
        {
            Vmcs[VmcsField.EntryExceptionErrorCode] = code;
        }

        Queue(InterruptionInformation.Create(InterruptionType.HardwareException, vector, errorCode.HasValue));
    }

    /// <summary>Injects a page fault for a page walk that met no memory: to the walker, reserved bits that are set.</summary>
    public void InjectPageFault(ulong linearAddress, EptAccess access)
    {
        const uint Present = 1, Write = 2, User = 4, Reserved = 8, Fetch = 16;
        Logical.Cr2 = linearAddress;
        uint code = Present | Reserved | (PrivilegeLevel == 3 ? User : 0)
            | (access.HasFlag(EptAccess.Write) ? Write : 0) | (access.HasFlag(EptAccess.Execute) ? Fetch : 0);
        InjectException((byte)ExceptionVector.PageFault, code);
    }

    /// <summary>Whether the exit interrupted the delivery of an event (SDM Vol. 3C 28.2.4).</summary>
    public bool WasDeliveringEvent() => new InterruptionInformation((uint)Vmcs[VmcsField.IdtVectoringInformation]).IsValid;

    /// <summary>Injects again the event whose delivery the exit interrupted (SDM Vol. 3C 27.6.1).</summary>
    public void ReinjectEvent()
    {
        var vectoring = new InterruptionInformation((uint)Vmcs[VmcsField.IdtVectoringInformation]);
        if (!vectoring.IsValid || IsEventQueued)
        {
            return;
        }

        if (vectoring.DeliversErrorCode)
        {
            Vmcs[VmcsField.EntryExceptionErrorCode] = Vmcs[VmcsField.IdtVectoringErrorCode];
        }

        if (vectoring.IsSoftware)
        {
            Vmcs[VmcsField.EntryInstructionLength] = Vmcs[VmcsField.ExitInstructionLength];
        }

        Queue(new InterruptionInformation(vectoring.Value & ~InterruptionInformation.ReservedForEntry));
    }

    public void CloseInterruptWindow()
    {
        _windowIsOpen = true;
        SetPrimary(_primaryControls & ~PrimaryProcessorBasedControls.InterruptWindowExiting);
        Interlocked.Or(ref _pending, (int)ProcessorSignal.Interrupt);
    }

    public void CloseNmiWindow()
    {
        SetPrimary(_primaryControls & ~PrimaryProcessorBasedControls.NmiWindowExiting);
        Interlocked.Or(ref _pending, (int)ProcessorSignal.Interrupt);
    }

    /// <summary>Fills the VM-entry interruption information, or opens a window when the guest cannot take the event yet.</summary>
    private void Inject()
    {
        if (!_nmiPending && !HasInterrupt())
        {
            return;
        }

        var interruptibility = (InterruptibilityState)Vmcs[VmcsField.GuestInterruptibilityState];
        bool shadow = (interruptibility & (InterruptibilityState.BlockingBySti | InterruptibilityState.BlockingByMovSs)) != 0;
        bool queued = IsEventQueued;
        if (_nmiPending && !queued && !shadow && !interruptibility.HasFlag(InterruptibilityState.BlockingByNmi))
        {
            _nmiPending = false;
            Queue(InterruptionInformation.Nmi);
        }
        else if (!queued && !shadow && InterruptsEnabled && MayTakeInterrupt && TakeInterrupt() is { } vector)
        {
            Queue(InterruptionInformation.ExternalInterrupt(vector));
        }

        _windowIsOpen = false;

        OpenWindows();
    }

    private void OpenWindows()
    {
        PrimaryProcessorBasedControls wanted = _primaryControls;
        if (HasInterrupt())
        {
            wanted |= PrimaryProcessorBasedControls.InterruptWindowExiting;
        }

        if (_nmiPending)
        {
            wanted |= PrimaryProcessorBasedControls.NmiWindowExiting;
        }

        SetPrimary(wanted);
    }

    private void SetPrimary(PrimaryProcessorBasedControls wanted)
    {
        if (wanted != _primaryControls)
        {
            _primaryControls = wanted;
            Vmcs[VmcsField.PrimaryProcessorBasedControls] = (ulong)wanted;
        }
    }

    // LINT0 of an engine's APIC lets the 8259A through or not: the window tells.
    private bool MayTakeInterrupt => !IsApicWithEngine || _windowIsOpen;

    private bool InterruptsEnabled => (Vmcs[VmcsField.GuestRflags] & (ulong)RflagsBits.If) != 0;

    private bool HasExternalInterrupt => Machine.Interrupts.ExternalInterrupt.Asserted
        && ((Id.Index == 0 && Apic.PassesExternalInterrupts) || Machine.ApicBus.ExternalInterruptTarget == Apic);

    private bool HasInterrupt() => HasExternalInterrupt || Apic.Deliverable() >= 0;

    private bool WakesFromHalt() => _nmiPending || (HasInterrupt() && InterruptsEnabled);

    private byte? TakeInterrupt()
    {
        if (HasExternalInterrupt && Machine.Interrupts.AcknowledgeExternal() is { } external)
        {
            return external;
        }

        int vector = Apic.Deliverable();
        if (vector < 0)
        {
            return null;
        }

        Apic.Acknowledge(vector);
        return (byte)vector;
    }

    /// <summary>Whether an event waits for the coming entry already. Every exit clears the field (SDM Vol. 3C 28.8).</summary>
    private bool IsEventQueued => new InterruptionInformation((uint)Vmcs[VmcsField.EntryInterruptionInformation]).IsValid;

    private void Queue(InterruptionInformation information)
    {
        Vmcs[VmcsField.EntryInterruptionInformation] = information.Value;
    }
}
