using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Segmentation;

/// <summary>Segment limit and type checks of memory operands outside 64-bit mode (SDM Vol. 3A 5.3).</summary>
internal static unsafe class SegmentedAddress
{
    public static bool ForRead(CpuState* s, Instruction* i, int size, out ulong linear) => Check(s, i, size, out linear);

    public static bool ForWrite(CpuState* s, Instruction* i, int size, out ulong linear) => Check(s, i, size, out linear);

    private static bool Check(CpuState* s, Instruction* i, int size, out ulong linear)
    {
        ulong offset = LinearMemory.Offset(s, i);
        linear = (uint)(s->SegmentBase[i->SegmentBaseIndex] + offset);
        SegmentCache* segment = &s->Es + i->Segment;
        if (offset + (ulong)size - 1 <= segment->Limit)
        {
            return true;
        }

        Faults.Raise(s, i->Segment == (byte)SegmentRegister.Ss ? ExceptionVector.StackSegmentFault : ExceptionVector.GeneralProtection, 0);
        return false;
    }

    /// <summary>Linear address of an offset in a segment for a read; false: a fault was raised.</summary>
    public static bool ForRead(CpuState* s, SegmentRegister register, ulong offset, int size, out ulong linear) =>
        Check(s, register, offset, size, out linear);

    /// <summary>Linear address of an offset in a segment for a write; false: a fault was raised.</summary>
    public static bool ForWrite(CpuState* s, SegmentRegister register, ulong offset, int size, out ulong linear) =>
        Check(s, register, offset, size, out linear);

    private static bool Check(CpuState* s, SegmentRegister register, ulong offset, int size, out ulong linear)
    {
        linear = (uint)(s->SegmentBase[(int)register] + offset);
        if (IsWithinLimit(*(&s->Es + (int)register), offset, size))
        {
            return true;
        }

        LogicalProcessor.Of(s).Mmu.Fail(Faults.Raise(
            s, register == SegmentRegister.Ss ? ExceptionVector.StackSegmentFault : ExceptionVector.GeneralProtection, 0));
        return false;
    }

    /// <summary>Whether an access lies within a segment, expand-down ones included (SDM Vol. 3A 5.3).</summary>
    public static bool IsWithinLimit(in SegmentCache segment, ulong offset, int size)
    {
        ulong last = offset + (ulong)size - 1;
        bool expandDown = (segment.AccessRights & 0x1C) == 0x14;
        return expandDown
            ? offset > segment.Limit && last <= (segment.IsDefaultBig ? uint.MaxValue : ushort.MaxValue)
            : last <= segment.Limit;
    }
}
