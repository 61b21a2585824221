using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Vmx;

/// <summary>VMX non-root operation: everything that the controls of the current VMCS make a processor do differently.</summary>
internal sealed unsafe partial class NonRoot(LogicalProcessor processor) : IMemoryExits
{
    private readonly LogicalProcessor _processor = processor;
    private readonly CpuState* _state = processor.State;
    private Vmcs _vmcs = new(0);
    private IVmExitSink? _sink;
    private VmExit _exit;
    private uint _instructionInformation;
    private VmxResult _result;
    private PreemptionTimer _timer;
    private bool _controlsWritten;
    private bool _guestStateWritten;
    private bool _translationWritten;
    private bool _injectionWritten;
    private bool _timerWritten;
    private bool _leaveAfterInstruction;
    private int _kicked;

    // Kicks and alarms come from other threads; after disposal there is no state that they could touch.
    private readonly Lock _gate = new();
    private bool _closed;

    /// <summary>The controls; all zero outside non-root operation.</summary>
    public ExecutionControls Controls;

    private void SetControls(in ExecutionControls controls)
    {
        Controls = controls;
        _state->AwaitsInterruptWindow = (byte)(Has(PrimaryProcessorBasedControls.InterruptWindowExiting) ? 1 : 0);
    }

    /// <summary>Between a VM entry and the exit that leaves.</summary>
    public bool IsActive { get; private set; }

    /// <summary>The event in the middle of whose delivery the processor is: IDT-vectoring information of an exit (SDM Vol. 3C 28.2.4).</summary>
    public InterruptionInformation Vectoring { get; set; }

    /// <summary>Its error code.</summary>
    public uint VectoringErrorCode { get; set; }

    /// <summary>Length of the software instruction whose event is being delivered.</summary>
    public uint VectoringInstructionLength { get; set; }

    /// <summary>Number of VM exits delivered.</summary>
    public long ExitCount { get; private set; }

    public bool Has(PrimaryProcessorBasedControls control) => (Controls.Primary & control) != 0;

    public bool Has(SecondaryProcessorBasedControls control) => (Controls.Secondary & control) != 0;

    public bool Has(PinBasedControls control) => (Controls.Pin & control) != 0;

    /// <summary>Whether anything waits for interrupts or NMIs to be possible again: an open window is an exit then.</summary>
    public bool AwaitsWindow => !IsActive
        || Has(PrimaryProcessorBasedControls.InterruptWindowExiting) || Has(PrimaryProcessorBasedControls.NmiWindowExiting);

    /// <summary>After an instruction that may have set IF without a shadow: a window that is awaited is open.</summary>
    public void LookForInterrupts()
    {
        if ((_state->SystemFlags & (ulong)RflagsBits.If) != 0 && _state->AwaitsInterruptWindow != 0)
        {
            _state->EventPending = 1;
        }
    }

    /// <summary>Another VMCS has become current, or a whole state was loaded.</summary>
    public void NoteNewState()
    {
        _guestStateWritten = true;
        _controlsWritten = true;
        _translationWritten = true;
    }

    /// <summary>Whether MOV to CR3 of a value is exempt from "CR3-load exiting" (SDM Vol. 3C 25.6.7).</summary>
    public bool IsCr3Target(ulong value)
    {
        ulong count = _vmcs[VmcsField.Cr3TargetCount];
        for (ulong n = 0; n < count; n++)
        {
            if (_vmcs[VmcsField.Cr3TargetValue0 + (ushort)(n * 2)] == value)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Asks for an exit with reason 1, from any thread.</summary>
    public void Kick()
    {
        lock (_gate)
        {
            if (!_closed)
            {
                Volatile.Write(ref _kicked, 1);
                Interlocked.Exchange(ref _state->EventPending, 1);
                _wake.Set();
            }
        }
    }

    /// <summary>The processor is disposed of.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            _alarm?.Dispose();
            _wake.Dispose();
        }
    }

    /// <summary>VMWRITE has changed the current VMCS: the next entry, in place or not, looks again.</summary>
    public void NoteWrite(VmcsField field)
    {
        switch (field)
        {
            case VmcsField.EntryInterruptionInformation or VmcsField.EntryExceptionErrorCode or VmcsField.EntryInstructionLength:
                _injectionWritten = true;
                break;
            case VmcsField.PreemptionTimerValue:
                _timerWritten = true;
                _controlsWritten = true;
                break;
            default:
                _guestStateWritten |= field.Type == VmcsFieldType.GuestState;
                _translationWritten |= field is VmcsField.GuestCr0 or VmcsField.GuestCr3 or VmcsField.GuestCr4 or VmcsField.GuestIa32Efer
                    or (>= VmcsField.GuestPdpte0 and <= VmcsField.GuestPdpte3);
                _controlsWritten |= field.Type != VmcsFieldType.GuestState;
                break;
        }
    }

    /// <summary>
    /// An exit that an instruction causes. <see cref="Outcome.Next"/>: the sink wants the processor to carry the
    /// instruction out after all; anything else is what the handler returns.
    /// </summary>
    public Outcome Exit(Instruction* i, ExitReason reason, ulong qualification = 0, ExitInstructionInformation information = default, ulong linear = 0)
    {
        Begin(reason, qualification);
        _state->Rip = i->Rip;
        _exit.InstructionLength = i->Length;
        _exit.GuestLinearAddress = linear;
        _instructionInformation = information.Value;
        VmExitAction action = Deliver();
        return action == VmExitAction.Complete ? Outcome.Next : Finish(action, i);
    }

    /// <summary>An exit at an instruction boundary or in the middle of event delivery. True: go on; false: leave.</summary>
    public bool ExitBetweenInstructions(ExitReason reason, ulong qualification = 0)
    {
        Begin(reason, qualification);
        _exit.InstructionLength = (byte)VectoringInstructionLength;
        return DeliverBetween();
    }

    private void Begin(ExitReason reason, ulong qualification)
    {
        _exit = default;
        _exit.Reason = reason;
        _exit.Qualification = qualification;
        _instructionInformation = 0;
    }

    /// <summary>What a handler returns after an exit whose access was not completed.</summary>
    private Outcome Finish(VmExitAction action, Instruction* i)
    {
        switch (action)
        {
            case VmExitAction.Leave:
                return Outcome.Leave;
            case VmExitAction.NextInstruction:
                _state->Rip = i->NextRip;
                ProcessorMode.ClearShadow(_state);
                return Outcome.Branch;
            default:
                return Outcome.Restart;
        }
    }

    /// <summary>Calls the sink with everything in sync, then enters again unless it leaves.</summary>
    private VmExitAction Deliver()
    {
        ExitCount++;
        if (!RecordExit())
        {
            return VmExitAction.Leave;
        }

        while (true)
        {
            _state->Phase = (int)ProcessorPhase.Exit;
            VmExitAction action = _sink!.OnExit(ref _exit);
            _state->Phase = (int)ProcessorPhase.Interpreting;
            if (action == VmExitAction.Leave || Reenter())
            {
                return action;
            }

            // What the sink left behind cannot be entered; it has been told by a new exit.
            if (_result.IsSuccess is false)
            {
                return VmExitAction.Leave;
            }
        }
    }

    // The valid bit of the event to inject is cleared when it is injected (Inject): an event that came with the completion of
    // an access may have to wait for its window, and another exit in between must not lose it.

    /// <summary>The VM-exit information fields (SDM Vol. 3C 28.2) and the parts of the VMCS that exits change. False: a VMX abort.</summary>
    private bool RecordExit()
    {
        Vmcs vmcs = _vmcs;
        vmcs[VmcsField.ExitReason] = (ulong)_exit.Reason | (_exit.EntryFailure ? 1UL << 31 : 0);
        vmcs[VmcsField.ExitQualification] = _exit.Qualification;
        vmcs[VmcsField.GuestLinearAddress] = _exit.GuestLinearAddress;
        vmcs[VmcsField.GuestPhysicalAddress] = _exit.GuestPhysicalAddress;
        vmcs[VmcsField.ExitInterruptionInformation] = _exit.InterruptionInformation;
        vmcs[VmcsField.ExitInterruptionErrorCode] = _exit.InterruptionErrorCode;
        vmcs[VmcsField.ExitInstructionLength] = _exit.InstructionLength;
        vmcs[VmcsField.ExitInstructionInformation] = _instructionInformation;
        vmcs[VmcsField.IdtVectoringInformation] = Vectoring.Value;
        vmcs[VmcsField.IdtVectoringErrorCode] = VectoringErrorCode;
        if (_exit.EntryFailure)
        {
            return true;
        }

        Vectoring = default;
        VectoringErrorCode = 0;
        VectoringInstructionLength = 0;

        // SDM Vol. 3C 28.2: the "IA-32e mode guest" control follows LMA with unrestricted guests.
        ulong entryControls = vmcs[VmcsField.VmEntryControls];
        vmcs[VmcsField.VmEntryControls] = (_state->Efer & (ulong)EferBits.Lma) != 0
            ? entryControls | (ulong)VmEntryControls.Ia32eModeGuest
            : entryControls & ~(ulong)VmEntryControls.Ia32eModeGuest;
        if (_timer.IsRunning && (Controls.Exit & VmExitControls.SavePreemptionTimerValue) == 0)
        {
            // The next entry loads the count that the field still has.
            _timerWritten = true;
            _controlsWritten = true;
        }

        return !_switchesState || LeaveSwitchedState();
    }
}
