using System.Runtime.CompilerServices;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Execute;

/// <summary>
/// Operands of integer instructions as 64-bit numbers, whatever their width: the type parameter (byte, ushort, uint or
/// ulong) is the operand size, and the JIT makes one straight version of each.
/// </summary>
internal static unsafe class Width
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Bits<T>() where T : unmanaged => sizeof(T) * 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Read<T>(void* p) where T : unmanaged => sizeof(T) switch
    {
        1 => *(byte*)p,
        2 => Unsafe.ReadUnaligned<ushort>(p),
        4 => Unsafe.ReadUnaligned<uint>(p),
        _ => Unsafe.ReadUnaligned<ulong>(p),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write<T>(void* p, ulong value) where T : unmanaged
    {
        switch (sizeof(T))
        {
            case 1:
                *(byte*)p = (byte)value;
                break;
            case 2:
                Unsafe.WriteUnaligned(p, (ushort)value);
                break;
            case 4:
                Unsafe.WriteUnaligned(p, (uint)value);
                break;
            default:
                Unsafe.WriteUnaligned(p, value);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ZeroExtend<T>(T value) where T : unmanaged => Read<T>(&value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Narrow<T>(ulong value) where T : unmanaged => *(T*)&value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Truncate<T>(ulong value) where T : unmanaged => sizeof(T) switch
    {
        1 => (byte)value,
        2 => (ushort)value,
        4 => (uint)value,
        _ => value,
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong SignExtend<T>(ulong value) where T : unmanaged => sizeof(T) switch
    {
        1 => (ulong)(sbyte)value,
        2 => (ulong)(short)value,
        4 => (ulong)(int)value,
        _ => value,
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong ReadRegister<T>(CpuState* s, ushort offset) where T : unmanaged => Read<T>((byte*)s + offset);

    /// <summary>Writes a general register; a 32-bit write clears the upper half (SDM Vol. 1 3.4.1.1).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void WriteRegister<T>(CpuState* s, ushort offset, ulong value) where T : unmanaged
    {
        if (sizeof(T) == 4)
        {
            *(ulong*)((byte*)s + offset) = (uint)value;
        }
        else
        {
            Write<T>((byte*)s + offset, value);
        }
    }

    /// <summary>Loads the memory operand, zero-extended; false: return <see cref="SlowAccess.Failure"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool LoadOperand<T>(CpuState* s, Instruction* i, out ulong value) where T : unmanaged
    {
        bool done = Operands.LoadOperand(s, i, out T narrow);
        value = ZeroExtend(narrow);
        return done;
    }

    /// <summary>Stores to the memory operand; false: return <see cref="SlowAccess.Failure"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool StoreOperand<T>(CpuState* s, Instruction* i, ulong value) where T : unmanaged =>
        Operands.StoreOperand(s, i, Narrow<T>(value));
}
