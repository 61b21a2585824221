using Vmm.Engine.Software.Decode;

namespace Vmm.Engine.Software.Vmx;

/// <summary>Exits that I/O instructions cause (SDM Vol. 3C 28.2.1, table 28-5).</summary>
internal sealed unsafe partial class NonRoot
{
    /// <summary>
    /// IN or OUT. <paramref name="completed"/>: the access is done, the handler finishes the instruction and returns the
    /// outcome, which may be to leave.
    /// </summary>
    public Outcome ExitForPort(Instruction* i, ushort port, int width, bool isIn, bool isImmediate, ref ulong data, out bool completed)
    {
        BeginPortExit(i, port, width, isIn, data, IoQualification.Create(port, width, isIn, isImmediate: isImmediate));
        Outcome outcome = DeliverPort(i, ref data, out completed);
        if (completed && outcome == Outcome.Leave)
        {
            _state->Rip = i->NextRip;
        }

        return outcome;
    }

    /// <summary>One element of INS or OUTS.</summary>
    public Outcome ExitForStringPort(
        Instruction* i, ushort port, int width, bool isIn, ulong linear, SegmentRegister segment, ref ulong data, out bool completed)
    {
        bool isRep = (i->Flags & (InstructionFlags.Rep | InstructionFlags.Repne)) != 0;
        BeginPortExit(i, port, width, isIn, data, IoQualification.Create(port, width, isIn, isString: true, isRep));
        _exit.GuestLinearAddress = linear;
        _instructionInformation = ExitInstructionInformation.String(i->AddressSize, segment).Value;
        return DeliverPort(i, ref data, out completed);
    }

    private void BeginPortExit(Instruction* i, ushort port, int width, bool isIn, ulong data, IoQualification qualification)
    {
        Begin(ExitReason.IoInstruction, qualification.Value);
        _state->Rip = i->Rip;
        _exit.InstructionLength = i->Length;
        _exit.Port = port;
        _exit.Width = (byte)width;
        _exit.Access = isIn ? VmExitAccess.Read : VmExitAccess.Write;
        _exit.Data = isIn ? 0 : data;
    }

    private Outcome DeliverPort(Instruction* i, ref ulong data, out bool completed)
    {
        VmExitAction action = Deliver();
        data = _exit.Data;
        completed = action == VmExitAction.Complete || (action == VmExitAction.Leave && _exit.CompleteFirst);
        return completed ? action == VmExitAction.Leave ? Outcome.Leave : Outcome.Next : Finish(action, i);
    }
}
