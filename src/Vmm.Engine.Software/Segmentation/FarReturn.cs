using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Segmentation;

/// <summary>RET far (SDM Vol. 3A 5.8.6 and the RET page), and the part that IRET shares with it.</summary>
internal static unsafe class FarReturn
{
    public static Outcome ToParagraph(CpuState* s, int size, int release)
    {
        StackFrame stack = StackFrame.Current(s);
        if (!stack.Pop(size, out ulong rip) || !stack.Pop(size, out ulong selector))
        {
            return SlowAccess.Failure(s);
        }

        if (rip > s->Cs.Limit)
        {
            return Faults.GeneralProtection(s);
        }

        stack.Skip(release);
        stack.Commit();
        SegmentLoad.LoadParagraph(s, SegmentRegister.Cs, (ushort)selector);
        s->Rip = rip;
        ProcessorMode.Changed(s);
        return Outcome.Branch;
    }

    public static Outcome ToSegment(CpuState* s, int size, int release)
    {
        StackFrame stack = StackFrame.Current(s);
        if (!stack.Pop(size, out ulong rip) || !stack.Pop(size, out ulong popped))
        {
            return SlowAccess.Failure(s);
        }

        ushort selector = (ushort)popped;
        Outcome outcome = CheckTarget(s, selector, rip, out Descriptor code);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        stack.Skip(release);
        if ((selector & 3) == s->Cpl)
        {
            stack.Commit();
            CodeSegment.Load(s, selector, code, s->Cpl, rip);
            return Outcome.Branch;
        }

        if (!stack.Pop(size, out ulong pointer) || !stack.Pop(size, out ulong stackSelector))
        {
            return SlowAccess.Failure(s);
        }

        outcome = CheckOuterStack(s, (ushort)stackSelector, selector & 3, code.IsLong, out SegmentCache segment);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        LoadOuter(s, selector, code, rip, segment, pointer, size);
        var outer = new StackFrame(s, s->Ss, s->Gpr.Rsp, ProcessorMode.Is64Bit(s), s->Cpl);
        outer.Skip(release);
        outer.Commit();
        return Outcome.Branch;
    }

    /// <summary>Checks of the code segment that RET or IRET goes back to.</summary>
    public static Outcome CheckTarget(CpuState* s, ushort selector, ulong rip, out Descriptor code)
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
        int rpl = selector & 3;
        if (!code.IsCode || rpl < s->Cpl || (code.IsConforming ? code.Dpl > rpl : code.Dpl != rpl) || CodeSegment.IsMalformedLong(s, code))
        {
            return Faults.Raise(s, ExceptionVector.GeneralProtection, error);
        }

        if (!code.IsPresent)
        {
            return Faults.Raise(s, ExceptionVector.SegmentNotPresent, error);
        }

        return CodeSegment.Contains(s, code, rip)
            ? DescriptorTables.MarkAccessed(s, selector, ref code)
            : Faults.GeneralProtection(s);
    }

    /// <summary>The stack segment for an outer level; 64-bit code below CPL 3 may have none.</summary>
    public static Outcome CheckOuterStack(CpuState* s, ushort selector, int cpl, bool toLong, out SegmentCache segment)
    {
        if (DescriptorTables.IsNull(selector))
        {
            segment = SegmentLoad.NullSegment(selector);
            segment.AccessRights |= (uint)cpl << 5;
            return ProcessorMode.IsLong(s) && toLong && cpl < 3 && (selector & 3) == cpl
                ? Outcome.Next
                : Faults.GeneralProtection(s);
        }

        return SegmentLoad.CheckStack(s, selector, cpl, ExceptionVector.GeneralProtection, 0, out segment);
    }

    /// <summary>Goes to an outer level: CS, SS, stack pointer; data segments that it may not use become null (5.8.6).</summary>
    public static void LoadOuter(CpuState* s, ushort selector, Descriptor code, ulong rip, in SegmentCache stack, ulong pointer, int size)
    {
        int cpl = selector & 3;
        bool inLong = ProcessorMode.IsLong(s) && code.IsLong;
        s->Ss = stack;
        s->Gpr.Rsp = inLong || stack.IsDefaultBig || size == 8
            ? size == 8 ? pointer : (uint)pointer
            : (s->Gpr.Rsp & ~0xFFFFUL) | (ushort)pointer;
        ReadOnlySpan<SegmentRegister> data = [SegmentRegister.Es, SegmentRegister.Ds, SegmentRegister.Fs, SegmentRegister.Gs];
        foreach (SegmentRegister register in data)
        {
            SegmentCache* segment = &s->Es + (int)register;
            bool conforming = (segment->Type & 12) == 12;
            if (!segment->IsUnusable && !conforming && segment->PrivilegeLevel < cpl)
            {
                ulong address = segment->Base;
                *segment = SegmentLoad.NullSegment(0);
                segment->Base = inLong ? address : 0;
            }
        }

        CodeSegment.Load(s, selector, code, cpl, rip);
    }
}
