using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Segmentation;

/// <summary>Transfers through 16-, 32- and 64-bit call gates, with stack switch and parameters (SDM Vol. 3A 5.8.3 to 5.8.5).</summary>
internal static unsafe class CallGate
{
    public static Outcome Transfer(CpuState* s, Instruction* i, ushort selector, Descriptor gate, bool isCall)
    {
        uint error = (uint)(selector & ~3);
        bool isLong = ProcessorMode.IsLong(s);
        ulong offset = gate.Type == SystemDescriptorType.CallGate16 ? (ushort)gate.GateOffset : gate.GateOffset;
        if (!gate.IsPresent)
        {
            return Faults.Raise(s, ExceptionVector.SegmentNotPresent, error);
        }

        Outcome outcome = isLong ? ReadUpperHalf(s, selector, ref offset) : Outcome.Next;
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        outcome = ReadTarget(s, gate.GateSelector, isCall, out Descriptor code);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        if (!CodeSegment.Contains(s, code, offset))
        {
            return Faults.GeneralProtection(s);
        }

        int size = isLong ? 8 : gate.Type == SystemDescriptorType.CallGate16 ? 2 : 4;
        if (!isCall)
        {
            CodeSegment.Load(s, gate.GateSelector, code, s->Cpl, offset);
            return Outcome.Branch;
        }

        if (!code.IsConforming && code.Dpl < s->Cpl)
        {
            return isLong ? CallInnerLong(s, i, gate, code, offset) : CallInner(s, i, gate, code, offset, size);
        }

        StackFrame stack = isLong ? new StackFrame(s, s->Ss, s->Gpr.Rsp, true, s->Cpl) : StackFrame.Current(s);
        if (!stack.Push(s->Cs.Selector, size) || !stack.Push(i->NextRip, size))
        {
            return SlowAccess.Failure(s);
        }

        stack.Commit();
        CodeSegment.Load(s, gate.GateSelector, code, s->Cpl, offset);
        return Outcome.Branch;
    }

    private static Outcome ReadUpperHalf(CpuState* s, ushort selector, ref ulong offset)
    {
        uint error = (uint)(selector & ~3);
        if (!DescriptorTables.TryLocate(s, selector, 16, out ulong address))
        {
            return Faults.Raise(s, ExceptionVector.GeneralProtection, error);
        }

        if (!SystemAccess.Read(s, address + 8, out ulong upper))
        {
            return SlowAccess.Failure(s);
        }

        offset |= upper << 32;

        // The type field of the upper half must be zero.
        return (upper >> 40 & 0x1F) == 0 ? Outcome.Next : Faults.Raise(s, ExceptionVector.GeneralProtection, error);
    }

    private static Outcome ReadTarget(CpuState* s, ushort selector, bool isCall, out Descriptor code)
    {
        code = default;
        if (DescriptorTables.IsNull(selector))
        {
            return Faults.GeneralProtection(s);
        }

        Outcome outcome = DescriptorTables.Read(s, selector, ExceptionVector.GeneralProtection, out code);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        uint error = (uint)(selector & ~3);
        bool wrongPrivilege = isCall || code.IsConforming ? code.Dpl > s->Cpl : code.Dpl != s->Cpl;
        bool wrongSize = ProcessorMode.IsLong(s) && (!code.IsLong || code.IsBig);
        if (!code.IsCode || wrongPrivilege || wrongSize)
        {
            return Faults.Raise(s, ExceptionVector.GeneralProtection, error);
        }

        return code.IsPresent
            ? DescriptorTables.MarkAccessed(s, selector, ref code)
            : Faults.Raise(s, ExceptionVector.SegmentNotPresent, error);
    }

    private static Outcome CallInner(CpuState* s, Instruction* i, Descriptor gate, Descriptor code, ulong offset, int size)
    {
        int cpl = code.Dpl;
        Outcome outcome = TaskStateSegment.ReadStack(s, cpl, 0, out ushort selector, out uint pointer);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        outcome = SegmentLoad.CheckStack(s, selector, cpl, ExceptionVector.InvalidTss, 0, out SegmentCache segment);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        StackFrame caller = StackFrame.Current(s);
        var stack = new StackFrame(s, segment, pointer, false, cpl, (uint)(selector & ~3));
        if (!stack.Push(s->Ss.Selector, size) || !stack.Push(s->Gpr.Rsp, size))
        {
            return SlowAccess.Failure(s);
        }

        for (int n = gate.GateParameterCount - 1; n >= 0; n--)
        {
            if (!caller.Peek(n * size, size, out ulong parameter) || !stack.Push(parameter, size))
            {
                return SlowAccess.Failure(s);
            }
        }

        if (!stack.Push(s->Cs.Selector, size) || !stack.Push(i->NextRip, size))
        {
            return SlowAccess.Failure(s);
        }

        s->Gpr.Rsp = stack.Pointer;
        s->Ss = segment;
        CodeSegment.Load(s, gate.GateSelector, code, cpl, offset);
        return Outcome.Branch;
    }

    // No parameters, and SS becomes null (5.8.5.1).
    private static Outcome CallInnerLong(CpuState* s, Instruction* i, Descriptor gate, Descriptor code, ulong offset)
    {
        int cpl = code.Dpl;
        Outcome outcome = TaskStateSegment.ReadLongStack(s, cpl, 0, 0, out ulong pointer);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        var stack = new StackFrame(s, s->Ss, pointer, true, cpl);
        if (!stack.Push(s->Ss.Selector, 8) || !stack.Push(s->Gpr.Rsp, 8)
            || !stack.Push(s->Cs.Selector, 8) || !stack.Push(i->NextRip, 8))
        {
            return SlowAccess.Failure(s);
        }

        s->Gpr.Rsp = stack.Pointer;
        s->Ss = SegmentLoad.NullSegment((ushort)cpl);
        s->Ss.AccessRights |= (uint)cpl << 5;
        CodeSegment.Load(s, gate.GateSelector, code, cpl, offset);
        return Outcome.Branch;
    }
}
