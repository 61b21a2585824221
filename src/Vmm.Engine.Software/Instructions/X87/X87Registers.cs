using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>A datum in double extended-precision format as in a register (SDM Vol. 1 4.2.2).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 2)]
internal readonly record struct ExtendedReal(ulong Significand, ushort SignExponent)
{
    public Unpacked Unpack() => Unpacked.FromExtended(Significand, SignExponent);

    public static ExtendedReal Pack(Unpacked value)
    {
        (ulong significand, ushort signExponent) = value.ToExtended();
        return new(significand, signExponent);
    }

    /// <summary>What masked stack faults and invalid operations give.</summary>
    public static ExtendedReal Indefinite => new(0xC000_0000_0000_0000, 0xFFFF);
}

/// <summary>The register stack (SDM Vol. 1 8.1.2): ST(n) is physical register TOP + n.</summary>
internal static unsafe class X87Registers
{
    /// <summary>A physical register.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ref ExtendedReal Physical(CpuState* s, int register) =>
        ref *(ExtendedReal*)((byte*)s + CpuState.FpuOffset + (register * CpuState.FpuStride));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Number(CpuState* s, int index) => (s->FpuTop + index) & 7;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsEmpty(CpuState* s, int index) => ((s->FpuTagsEmpty >> Number(s, index)) & 1) != 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ExtendedReal Read(CpuState* s, int index) => Physical(s, Number(s, index));

    /// <summary>Writes ST(index) and tags it as in use.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(CpuState* s, int index, ExtendedReal value)
    {
        int register = Number(s, index);
        Physical(s, register) = value;
        s->FpuTagsEmpty &= (byte)~(1 << register);
    }

    public static void Write(CpuState* s, int index, Unpacked value) => Write(s, index, ExtendedReal.Pack(value));

    public static void Free(CpuState* s, int index) => s->FpuTagsEmpty |= (byte)(1 << Number(s, index));

    public static void Push(CpuState* s, ExtendedReal value)
    {
        MoveTop(s, -1);
        Write(s, 0, value);
    }

    public static void Pop(CpuState* s)
    {
        Free(s, 0);
        MoveTop(s, 1);
    }

    public static void MoveTop(CpuState* s, int by) => s->FpuTop = (byte)Number(s, by);
}
