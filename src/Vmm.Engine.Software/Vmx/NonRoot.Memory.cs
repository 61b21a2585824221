using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Vmx;

/// <summary>Exits that memory accesses cause.</summary>
internal sealed unsafe partial class NonRoot
{
    public Outcome DeviceRead(LogicalProcessor processor, ulong physical, ulong linear, int width, out ulong data)
    {
        // Outside VMX operation nobody answers: the bus floats.
        data = ulong.MaxValue;
        if (!IsActive)
        {
            return Outcome.Next;
        }

        BeginMemoryExit(physical, linear, EptAccess.Read);
        _exit.Access = VmExitAccess.Read;
        _exit.Width = (byte)width;
        Outcome outcome = DeliverAccess();
        data = _exit.Data;
        return outcome;
    }

    public Outcome DeviceWrite(LogicalProcessor processor, ulong physical, ulong linear, int width, ulong data)
    {
        if (!IsActive)
        {
            return Outcome.Next;
        }

        BeginMemoryExit(physical, linear, EptAccess.Write);
        _exit.Access = VmExitAccess.Write;
        _exit.Width = (byte)width;
        _exit.Data = data;
        return DeliverAccess();
    }

    public Outcome EptViolation(LogicalProcessor processor, ulong physical, ulong linear, ulong qualification)
    {
        Begin(ExitReason.EptViolation, qualification);
        _exit.GuestPhysicalAddress = physical;
        _exit.GuestLinearAddress = linear;
        return DeliverRestart();
    }

    public Outcome EptMisconfiguration(LogicalProcessor processor, ulong physical)
    {
        Begin(ExitReason.EptMisconfiguration, 0);
        _exit.GuestPhysicalAddress = physical;
        return DeliverRestart();
    }

    private void BeginMemoryExit(ulong physical, ulong linear, EptAccess access)
    {
        Begin(ExitReason.EptViolation, EptViolationQualification.Create(access, _processor.Mmu.RefusedRights, linearAddressValid: true, isTranslated: true).Value);
        _exit.GuestPhysicalAddress = physical;
        _exit.GuestLinearAddress = linear;
    }

    private Outcome DeliverAccess()
    {
        Instruction* i = SyncRip();
        VmExitAction action = Deliver();
        if (action == VmExitAction.Complete)
        {
            return Outcome.Next;
        }

        if (action == VmExitAction.Leave && _exit.CompleteFirst)
        {
            LeaveAfterInstruction();
            return Outcome.Next;
        }

        return i == null ? Finish(action == VmExitAction.NextInstruction ? VmExitAction.Resume : action, i) : Finish(action, i);
    }

    private Outcome DeliverRestart()
    {
        SyncRip();
        return Deliver() == VmExitAction.Leave ? Outcome.Leave : Outcome.Restart;
    }

    /// <summary>RIP of an exit in the middle of an instruction is the instruction's own.</summary>
    private Instruction* SyncRip()
    {
        Instruction* i = _state->CurrentInstruction;
        if (i != null)
        {
            _state->Rip = i->Rip;
        }

        return i;
    }

    // The block ends behind the instruction from now on: its rest is found as a block of its own.
    private void LeaveAfterInstruction()
    {
        _leaveAfterInstruction = true;
        _state->EventPending = 1;
        if (_state->CurrentInstruction != null)
        {
            Block.Cut(_state->CurrentInstruction + 1);
        }
    }
}
