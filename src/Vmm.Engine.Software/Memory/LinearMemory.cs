using System.Runtime.CompilerServices;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Memory;

/// <summary>
/// Memory accesses of instructions, by linear address, at the current privilege level. The fast path is one compare and
/// one add; everything else (TLB miss, page crossing, device memory, breakpoints, code pages) is
/// <see cref="SlowAccess"/>. False means: a fault was raised or the guest is to be left; return
/// <see cref="SlowAccess.Failure"/> from the handler.
/// </summary>
/// <remarks>Unsafe invariant: the page of a valid entry is host memory that stays mapped while the VM exists.</remarks>
internal static unsafe class LinearMemory
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Load<T>(CpuState* s, ulong linear, out T value) where T : unmanaged
    {
        TlbEntry* entry = s->ReadTlb + ((linear >> Tlb.PageShift) & (Tlb.EntryCount - 1));
        ulong offset = linear ^ entry->Tag;
        if (offset <= 0x1000 - (ulong)sizeof(T))
        {
            value = Unsafe.ReadUnaligned<T>(entry->Page + offset);
            return true;
        }

        bool done = SlowAccess.LoadResult<T>(s, linear);
        value = Unsafe.ReadUnaligned<T>(s->SlowResult);
        return done;
    }

    /// <summary>As <see cref="Load{T}"/> for implicit accesses to the stack: a non-canonical address is #SS.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool LoadStack<T>(CpuState* s, ulong linear, out T value) where T : unmanaged
    {
        TlbEntry* entry = s->ReadTlb + ((linear >> Tlb.PageShift) & (Tlb.EntryCount - 1));
        ulong offset = linear ^ entry->Tag;
        if (offset <= 0x1000 - (ulong)sizeof(T))
        {
            value = Unsafe.ReadUnaligned<T>(entry->Page + offset);
            return true;
        }

        bool done = SlowAccess.LoadStackResult<T>(s, linear);
        value = Unsafe.ReadUnaligned<T>(s->SlowResult);
        return done;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Store<T>(CpuState* s, ulong linear, T value) where T : unmanaged
    {
        byte* host = WritePointer<T>(s, linear);
        if (host != null)
        {
            Unsafe.WriteUnaligned(host, value);
            return true;
        }

        return SlowAccess.Store(s, linear, value);
    }

    /// <summary>Host address for a read, or null when the slow path must be taken.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* ReadPointer<T>(CpuState* s, ulong linear) where T : unmanaged
    {
        TlbEntry* entry = s->ReadTlb + ((linear >> Tlb.PageShift) & (Tlb.EntryCount - 1));
        ulong offset = linear ^ entry->Tag;
        return offset <= 0x1000 - (ulong)sizeof(T) ? entry->Page + offset : null;
    }

    /// <summary>
    /// Host address for an access that reads and writes, or null when the slow path must be taken:
    /// <see cref="SlowAccess.LoadForWrite{T}"/>, then <see cref="SlowAccess.Store{T}"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* WritePointer<T>(CpuState* s, ulong linear) where T : unmanaged
    {
        TlbEntry* entry = s->WriteTlb + ((linear >> Tlb.PageShift) & (Tlb.EntryCount - 1));
        ulong offset = linear ^ entry->Tag;
        return offset <= 0x1000 - (ulong)sizeof(T) ? entry->Page + offset : null;
    }

    /// <summary>Linear address of the memory operand, without checks: right only when <see cref="InstructionFlags.SegmentChecked"/> is clear.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong FlatAddress(CpuState* s, Instruction* i) => s->SegmentBase[i->SegmentBaseIndex] + Offset(s, i);

    /// <summary>Offset of the memory operand in its segment.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Offset(CpuState* s, Instruction* i) =>
        (Register(s, i->Base) + (Register(s, i->Index) << i->Scale) + i->Displacement) & i->AddressMask;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Register(CpuState* s, ushort offset) => *(ulong*)((byte*)s + offset);
}
