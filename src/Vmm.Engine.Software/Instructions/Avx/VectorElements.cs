using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Instructions.Avx;

/// <summary>
/// Accesses to single elements in memory, of masked moves and gathers, and of half-precision vectors. They never raise #AC
/// (SDM Vol. 2C VMASKMOV, VPGATHERDD; Vol. 2A table 2-24). False: return <see cref="SlowAccess.Failure"/>.
/// </summary>
internal static unsafe class VectorElements
{
    /// <summary>Linear address of an element at an offset in the operand's segment; outside 64-bit mode offsets have 32 bits.</summary>
    public static bool Address(CpuState* s, Instruction* i, ulong offset, int size, bool write, out ulong linear)
    {
        offset = (i->Flags & InstructionFlags.Code64) != 0 ? offset : (uint)offset;
        if ((i->Flags & InstructionFlags.SegmentChecked) != 0)
        {
            return SegmentedAddress.Check(s, (SegmentRegister)i->Segment, offset, size, write, out linear);
        }

        linear = s->SegmentBase[i->SegmentBaseIndex] + offset;
        linear = (i->Flags & InstructionFlags.Code64) != 0 ? linear : (uint)linear;
        return true;
    }

    public static bool Load<T>(CpuState* s, ulong linear, out T value) where T : unmanaged
    {
        if (!IsByBytes<T>(s, linear))
        {
            return LinearMemory.Load(s, linear, out value);
        }

        T whole = default;
        for (int n = 0; n < sizeof(T); n++)
        {
            if (!LinearMemory.Load(s, linear + (ulong)n, out ((byte*)&whole)[n]))
            {
                value = default;
                return false;
            }
        }

        value = whole;
        return true;
    }

    public static bool Store<T>(CpuState* s, ulong linear, T value) where T : unmanaged
    {
        if (!IsByBytes<T>(s, linear))
        {
            return LinearMemory.Store(s, linear, value);
        }

        if (!Probe<T>(s, linear))
        {
            return false;
        }

        for (int n = 0; n < sizeof(T); n++)
        {
            if (!LinearMemory.Store(s, linear + (ulong)n, ((byte*)&value)[n]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether an element could be stored.</summary>
    public static bool Probe<T>(CpuState* s, ulong linear) where T : unmanaged =>
        IsByBytes<T>(s, linear)
            ? SlowAccess.ProbeWrite(s, linear, 1) && SlowAccess.ProbeWrite(s, StartOnLastPage(linear, sizeof(T)), 1)
            : LinearMemory.WritePointer<T>(s, linear) != null || SlowAccess.ProbeWrite(s, linear, sizeof(T));

    // The first byte on the page of the last: what a page fault there reports.
    private static ulong StartOnLastPage(ulong linear, int size) => Math.Max(linear, (linear + (ulong)size - 1) & ~0xFFFUL);

    // Bytes are always aligned; what is wider than 8 bytes is never checked.
    private static bool IsByBytes<T>(CpuState* s, ulong linear) where T : unmanaged =>
        sizeof(T) <= 8 && (linear & (ulong)(sizeof(T) - 1)) != 0 && (s->SystemFlags & (ulong)RflagsBits.Ac) != 0;
}
