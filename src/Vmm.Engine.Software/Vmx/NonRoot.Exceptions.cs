using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Vmx;

/// <summary>Exits that exceptions cause (SDM Vol. 3C 26.2, 28.2.2).</summary>
internal sealed unsafe partial class NonRoot
{
    /// <summary>Whether an exception exits instead of being delivered.</summary>
    public bool Intercepts(in Event e) => e.Type switch
    {
        InterruptionType.Nmi => Has(PinBasedControls.NmiExiting),
        InterruptionType.HardwareException or InterruptionType.SoftwareException or InterruptionType.PrivilegedSoftwareException =>
            Controls.InterceptsException((ExceptionVector)e.Vector, e.ErrorCode),
        _ => false,
    };

    /// <summary>The exit with reason 0. True: go on; false: leave.</summary>
    public bool ExitForException(in Event e)
    {
        // A page fault leaves its address here instead of in CR2, a debug exception its causes instead of in DR6.
        ulong qualification = (ExceptionVector)e.Vector switch
        {
            ExceptionVector.PageFault => e.Address,
            ExceptionVector.Debug => e.DebugCauses,
            _ => 0,
        };
        Begin(ExitReason.ExceptionOrNmi, qualification);
        InterruptionInformation information = InterruptionInformation.Create(e.Type, e.Vector, e.HasErrorCode);
        _exit.InterruptionInformation = (e.UnblocksNmi ? information.WithNmiUnblocking() : information).Value;
        _exit.InterruptionErrorCode = e.ErrorCode;
        _exit.InstructionLength = (byte)e.InstructionLength;
        return DeliverBetween();
    }

    /// <summary>A triple fault: reason 2.</summary>
    public bool ExitForTripleFault() => ExitBetweenInstructions(ExitReason.TripleFault);

    /// <summary>The exit with reason 9. <see cref="Outcome.Next"/>: the sink wants the processor to make the switch itself.</summary>
    public Outcome ExitForTaskSwitch(in TaskSwitchRequest request)
    {
        InterruptionInformation vectoring = Vectoring;
        uint errorCode = VectoringErrorCode;
        Begin(ExitReason.TaskSwitch, TaskSwitchQualification.Create(request.Selector, request.Source).Value);
        _exit.InstructionLength = _state->CurrentInstruction != null ? _state->CurrentInstruction->Length : (byte)VectoringInstructionLength;
        SyncRip();
        switch (Deliver())
        {
            case VmExitAction.Complete:
                Vectoring = vectoring;
                VectoringErrorCode = errorCode;
                return Outcome.Next;
            case VmExitAction.Leave:
                return Outcome.Leave;
            default:
                return Outcome.Restart;
        }
    }

    private bool DeliverBetween()
    {
        VmExitAction action = Deliver();
        if (action == VmExitAction.NextInstruction)
        {
            _state->Rip += _exit.InstructionLength;
            ProcessorMode.ClearShadow(_state);
        }

        return action != VmExitAction.Leave;
    }
}
