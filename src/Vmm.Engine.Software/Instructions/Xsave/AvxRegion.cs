using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Vmm.Engine.Software.Instructions.Avx;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.Xsave;

/// <summary>State component 2: bits 255:128 of the vector registers, behind the XSAVE header (SDM Vol. 1 13.5.3).</summary>
internal static unsafe class AvxRegion
{
    /// <summary>Where it is in an area in standard form; CPUID.(EAX=0DH,ECX=2):EBX.</summary>
    public const int Offset = 576;

    public const int Size = 16 * HalfSize;

    private const int HalfSize = 16;

    /// <summary>Bits 255:128 of a vector register.</summary>
    public static ref Vector128<byte> UpperHalf(CpuState* s, int register) =>
        ref *(Vector128<byte>*)((byte*)s + CpuState.VectorOffset + (register * CpuState.VectorStride) + VexOperands.UpperHalf);

    public static void Store(CpuState* s, Span<byte> area)
    {
        for (int n = 0; n < 16; n++)
        {
            MemoryMarshal.Write(area[(Offset + (n * HalfSize))..], UpperHalf(s, n));
        }
    }

    public static void Load(CpuState* s, ReadOnlySpan<byte> area, int count)
    {
        for (int n = 0; n < count; n++)
        {
            UpperHalf(s, n) = MemoryMarshal.Read<Vector128<byte>>(area[(Offset + (n * HalfSize))..]);
        }
    }

    /// <summary>The initial configuration: zeros.</summary>
    public static void Clear(CpuState* s, int count)
    {
        for (int n = 0; n < count; n++)
        {
            UpperHalf(s, n) = default;
        }
    }

    public static bool IsInUse(CpuState* s)
    {
        Vector128<byte> all = default;
        for (int n = 0; n < 16; n++)
        {
            all |= UpperHalf(s, n);
        }

        return all != default;
    }
}
