using System.Runtime.CompilerServices;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Segmentation;

/// <summary>Segment limit and type checks of memory operands outside 64-bit mode (SDM Vol. 3A 5.3, 5.5).</summary>
internal static unsafe class SegmentedAddress
{
    public static bool ForRead(CpuState* s, Instruction* i, int size, out ulong linear) => Check(s, i, size, false, out linear);

    public static bool ForWrite(CpuState* s, Instruction* i, int size, out ulong linear) => Check(s, i, size, true, out linear);

    public static bool ForRead(CpuState* s, SegmentRegister register, ulong offset, int size, out ulong linear) =>
        Check(s, register, offset, size, false, out linear);

    public static bool ForWrite(CpuState* s, SegmentRegister register, ulong offset, int size, out ulong linear) =>
        Check(s, register, offset, size, true, out linear);

    /// <summary>Checks an access at an offset of a segment register: implicit operands of string instructions and stacks.</summary>
    public static bool Check(CpuState* s, SegmentRegister register, ulong offset, int size, bool write, out ulong linear)
    {
        SegmentCache* segment = &s->Es + (int)register;
        linear = (uint)(segment->Base + offset);
        if (IsWithinLimit(*segment, offset, size) && (!ProcessorMode.IsProtected(s) || AllowsAccess(segment->AccessRights, write)))
        {
            return true;
        }

        ExceptionVector vector = register == SegmentRegister.Ss ? ExceptionVector.StackSegmentFault : ExceptionVector.GeneralProtection;
        LogicalProcessor.Of(s).Mmu.Fail(Faults.Raise(s, vector, 0));
        return false;
    }

    /// <summary>Whether bytes lie within the limit; below it for expand-down data segments (5.3).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsWithinLimit(in SegmentCache segment, ulong offset, int size)
    {
        ulong last = offset + (ulong)size - 1;
        if ((segment.AccessRights & 0x1C) == 0x14)
        {
            return offset > segment.Limit && last <= (segment.IsDefaultBig ? uint.MaxValue : ushort.MaxValue);
        }

        return last <= segment.Limit;
    }

    private static bool Check(CpuState* s, Instruction* i, int size, bool write, out ulong linear) =>
        Check(s, (SegmentRegister)i->Segment, LinearMemory.Offset(s, i), size, write, out linear);

    // Unusable: a null selector. Code is readable with bit 1 and never writable, data is writable with bit 1.
    private static bool AllowsAccess(uint rights, bool write)
    {
        if ((rights & SegmentLoad.Unusable) != 0)
        {
            return false;
        }

        bool code = (rights & 8) != 0;
        bool bit = (rights & 2) != 0;
        return write ? !code && bit : !code || bit;
    }
}
