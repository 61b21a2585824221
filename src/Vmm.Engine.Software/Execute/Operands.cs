using System.Runtime.CompilerServices;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Execute;

/// <summary>How handlers reach their operands.</summary>
internal static unsafe class Operands
{
    /// <summary>The register at a decoded byte offset, as any unmanaged type.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ref T Register<T>(CpuState* s, ushort offset) where T : unmanaged => ref *(T*)((byte*)s + offset);

    /// <summary>Writes a general register; a 32-bit write clears the upper half (SDM Vol. 1 3.4.1.1).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void WriteRegister<T>(CpuState* s, ushort offset, T value) where T : unmanaged
    {
        if (sizeof(T) == 4)
        {
            *(ulong*)((byte*)s + offset) = Unsafe.BitCast<T, uint>(value);
        }
        else
        {
            *(T*)((byte*)s + offset) = value;
        }
    }

    /// <summary>
    /// Host address of the memory operand for a read, or null when the general way must be taken. A handler that calls
    /// nothing else but its general form, last, needs no stack frame.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* FastRead<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        (i->Flags & InstructionFlags.SegmentChecked) == 0 ? LinearMemory.ReadPointer<T>(s, LinearMemory.FlatAddress(s, i)) : null;

    /// <summary>As <see cref="FastRead{T}"/> for a write, or a read and a write; null also when the access is locked.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* FastWrite<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        (i->Flags & (InstructionFlags.SegmentChecked | InstructionFlags.Lock)) == 0
            ? LinearMemory.WritePointer<T>(s, LinearMemory.FlatAddress(s, i))
            : null;

    /// <summary>Linear address of the memory operand for a read of <paramref name="size"/> bytes; false: a fault was raised.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool ReadAddress(CpuState* s, Instruction* i, int size, out ulong linear)
    {
        if ((i->Flags & InstructionFlags.SegmentChecked) == 0)
        {
            linear = LinearMemory.FlatAddress(s, i);
            return true;
        }

        bool done = SegmentedRead(s, i, size);
        linear = s->SlowResult[0];
        return done;
    }

    /// <summary>Linear address of the memory operand for a write of <paramref name="size"/> bytes; false: a fault was raised.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool WriteAddress(CpuState* s, Instruction* i, int size, out ulong linear)
    {
        if ((i->Flags & InstructionFlags.SegmentChecked) == 0)
        {
            linear = LinearMemory.FlatAddress(s, i);
            return true;
        }

        bool done = SegmentedWrite(s, i, size);
        linear = s->SlowResult[0];
        return done;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool SegmentedRead(CpuState* s, Instruction* i, int size)
    {
        bool done = SegmentedAddress.ForRead(s, i, size, out ulong linear);
        s->SlowResult[0] = linear;
        return done;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool SegmentedWrite(CpuState* s, Instruction* i, int size)
    {
        bool done = SegmentedAddress.ForWrite(s, i, size, out ulong linear);
        s->SlowResult[0] = linear;
        return done;
    }

    /// <summary>Loads the memory operand; false: return <see cref="SlowAccess.Failure"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool LoadOperand<T>(CpuState* s, Instruction* i, out T value) where T : unmanaged
    {
        if (ReadAddress(s, i, sizeof(T), out ulong linear))
        {
            return LinearMemory.Load(s, linear, out value);
        }

        value = default;
        return false;
    }

    /// <summary>Stores to the memory operand; false: return <see cref="SlowAccess.Failure"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool StoreOperand<T>(CpuState* s, Instruction* i, T value) where T : unmanaged =>
        WriteAddress(s, i, sizeof(T), out ulong linear) && LinearMemory.Store(s, linear, value);
}
