using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Avx;

/// <summary>
/// Operands of VEX forms: 256-bit vectors as two halves, since nearly all operations treat the halves alike. The type
/// parameter, <see cref="Vector128{T}"/> or <see cref="Vector256{T}"/> of bytes, is the vector length (VEX.L).
/// </summary>
internal static unsafe class VexOperands
{
    /// <summary>Bytes from the lower half of a register to its upper half.</summary>
    public const int UpperHalf = 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Is256<TVector>() where TVector : unmanaged => sizeof(TVector) == 32;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Lower(CpuState* s, ushort register) => Operands.Register<V>(s, register);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Upper(CpuState* s, ushort register) => Operands.Register<V>(s, (ushort)(register + UpperHalf));

    /// <summary>Writes a register; what a 128-bit form does not compute becomes zero (SDM Vol. 1 14.1.3).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(CpuState* s, ushort register, V lower, V upper = default)
    {
        Operands.Register<V>(s, register) = lower;
        Operands.Register<V>(s, (ushort)(register + UpperHalf)) = upper;
    }

    /// <summary>
    /// Loads the operand that may be in memory, else <paramref name="register"/>. Memory need not be aligned. False:
    /// return <see cref="SlowAccess.Failure"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Load<TVector>(CpuState* s, Instruction* i, ushort register, out V lower, out V upper) where TVector : unmanaged
    {
        upper = default;
        if ((i->Flags & InstructionFlags.Memory) == 0)
        {
            lower = Lower(s, register);
            upper = Is256<TVector>() ? Upper(s, register) : default;
            return true;
        }

        if (!Is256<TVector>())
        {
            return Operands.LoadOperand(s, i, out lower);
        }

        bool done = Operands.LoadOperand(s, i, out Vector256<byte> whole);
        (lower, upper) = (whole.GetLower(), whole.GetUpper());
        return done;
    }

    /// <summary>As <see cref="Load{TVector}"/> for a memory operand that is narrower than the register.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool LoadNarrow<TMemory>(CpuState* s, Instruction* i, ushort register, out V value) where TMemory : unmanaged
    {
        if ((i->Flags & InstructionFlags.Memory) == 0)
        {
            value = Lower(s, register);
            return true;
        }

        bool done = Operands.LoadOperand(s, i, out TMemory memory);
        value = sizeof(TMemory) == 16 ? Unsafe.BitCast<TMemory, V>(memory) : Vector128.CreateScalar(memory).AsByte();
        return done;
    }
}
