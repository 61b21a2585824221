using System.Numerics;

namespace Vmm.Engine.Software.Tests.Differential.Generation;

/// <summary>Random values that like the edges. SplitMix64: the same on every machine and runtime, cheap to seed.</summary>
internal sealed class CaseRandom(ulong seed)
{
    private static readonly ulong[] Integers =
    [
        0, 1, 2, 3, 7, 8, 0xF, 0x10, 0x1F, 0x20, 0x3F, 0x40, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, 0x7FFF_FFFF,
        0x8000_0000, 0xFFFF_FFFF, 0x1_0000_0000, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFFE,
        0xFFFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_8000_0000, 0xFFFF_FFFF_FFFF_8000, 0xFFFF_FFFF_FFFF_FF80, 0x5555_5555_5555_5555,
        0xAAAA_AAAA_AAAA_AAAA, 0x0123_4567_89AB_CDEF, 0x8080_8080_8080_8080, 0x7F7F_7F7F_7F7F_7F7F, 0x7FFF_7FFF_8000_8000,
    ];

    // The same edges as the wider formats.
    private static readonly ushort[] Halves =
        [0, 0x8000, 0x3C00, 0xBC00, 1, 0x8001, 0x03FF, 0x0400, 0x8400, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00, 0xFE00, 0x7C01, 0xFDFF, 0x7E12];

    // Zeros, ones, denormals, smallest and largest normals, infinities, NaNs of both kinds, halves, bounds of integers.
    private static readonly uint[] Singles =
    [
        0, 0x8000_0000, 0x3F80_0000, 0xBF80_0000, 1, 0x8000_0001, 0x007F_FFFF, 0x0080_0000, 0x8080_0000, 0x0040_0000, 0x7F7F_FFFF,
        0xFF7F_FFFF, 0x7F80_0000, 0xFF80_0000, 0x7FC0_0000, 0xFFC0_0000, 0x7F80_0001, 0xFFBF_FFFF, 0x7FC1_2345, 0x3F00_0000, 0x3FC0_0000,
        0xC020_0000, 0x4F00_0000, 0xCF00_0000, 0x4EFF_FFFF, 0x5F00_0000, 0xDF00_0000, 0x3F7F_FFFF, 0x3F80_0001, 0x4B00_0001, 0x4AFF_FFFF,
    ];

    private static readonly ulong[] Doubles =
    [
        0, 0x8000_0000_0000_0000, 0x3FF0_0000_0000_0000, 0xBFF0_0000_0000_0000, 1, 0x8000_0000_0000_0001, 0x000F_FFFF_FFFF_FFFF,
        0x0010_0000_0000_0000, 0x8010_0000_0000_0000, 0x7FEF_FFFF_FFFF_FFFF, 0xFFEF_FFFF_FFFF_FFFF, 0x7FF0_0000_0000_0000,
        0xFFF0_0000_0000_0000, 0x7FF8_0000_0000_0000, 0xFFF8_0000_0000_0000, 0x7FF0_0000_0000_0001, 0xFFF7_FFFF_FFFF_FFFF,
        0x7FF8_1234_5678_9ABC, 0x3FE0_0000_0000_0000, 0x3FF8_0000_0000_0000, 0xC004_0000_0000_0000, 0x41E0_0000_0000_0000,
        0xC1E0_0000_0000_0000, 0x41DF_FFFF_FFC0_0000, 0x41DF_FFFF_FFE0_0000, 0x43E0_0000_0000_0000, 0xC3E0_0000_0000_0000,
        0x3FEF_FFFF_FFFF_FFFF, 0x3FF0_0000_0000_0001, 0x3810_0000_0000_0000, 0x380F_FFFF_FFFF_FFFF, 0x36A0_0000_0000_0000,
        0x47EF_FFFF_E000_0000, 0x47EF_FFFF_F000_0000,
    ];

    // Sign and exponent, significand: the double-extended values, pseudo-denormals and unsupported encodings included
    // (SDM Vol. 1 4.2.2 and 8.2.2).
    private static readonly (ushort Exponent, ulong Significand)[] Extendeds =
    [
        (0, 0), (0x8000, 0), (0x3FFF, 1UL << 63), (0xBFFF, 1UL << 63), (0, 1), (0x8000, 0x7FFF_FFFF_FFFF_FFFF), (0, 1UL << 63),
        (1, 1UL << 63), (0x7FFE, ulong.MaxValue), (0xFFFE, ulong.MaxValue), (0x7FFF, 1UL << 63), (0xFFFF, 1UL << 63),
        (0x7FFF, 0xC000_0000_0000_0000), (0xFFFF, 0xC000_0000_0000_0000), (0x7FFF, 0x8000_0000_0000_0001),
        (0x7FFF, 0xC012_3456_789A_BCDE), (0x7FFF, 0), (0x7FFF, 0x4000_0000_0000_0000), (0x4000, 0x4000_0000_0000_0000),
        (0x3FFE, 1UL << 63), (0x3FFF, 0xC000_0000_0000_0000), (0x4000, 0xC90F_DAA2_2168_C235), (0x401E, 1UL << 63), (0xC01E, 1UL << 63),
        (0x403E, 1UL << 63), (0xC03E, 1UL << 63), (0x403D, ulong.MaxValue), (0x3FFE, ulong.MaxValue), (0x3F6A, 1UL << 63),
        (0x3C00, 0xFFFF_FFFF_FFFF_FC00), (0x43FE, 0xFFFF_FFFF_FFFF_F800), (0x407E, 0xFFFF_FF00_0000_0000), (0x3F80, 0xFFFF_FF80_0000_0000),
        (0x403A, 0xDE0B_6B3A_763F_FFFF), (0x403E, 0x8AC7_2304_89E8_0000),
    ];

    private ulong _state = seed;

    public ulong Next()
    {
        ulong z = _state += 0x9E37_79B9_7F4A_7C15;
        z = (z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9;
        z = (z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB;
        return z ^ (z >> 31);
    }

    /// <summary>0 to <paramref name="bound"/> - 1.</summary>
    public int Below(int bound) => (int)((Next() >> 32) * (ulong)bound >> 32);

    public bool Chance(int percent) => Below(100) < percent;

    public T Pick<T>(ReadOnlySpan<T> values) => values[Below(values.Length)];

    public ulong Integer() => Below(8) switch
    {
        < 4 => Pick<ulong>(Integers),
        4 => Next() >> Below(64),
        5 => (ulong)((long)Next() >> Below(64)),
        6 => BitOperations.RotateLeft(Pick<ulong>(Integers), Below(64)),
        _ => Next(),
    };

    public ushort Half() => Below(4) switch
    {
        0 => Pick<ushort>(Halves),
        1 => (ushort)Boundary(5, 10),
        _ => (ushort)Next(),
    };

    public uint Single() => Below(10) switch
    {
        8 or 9 => (uint)Boundary(8, 23),
        < 3 => Pick<uint>(Singles),
        3 => BitConverter.SingleToUInt32Bits(Below(2001) - 1000),
        4 => BitConverter.SingleToUInt32Bits((float)(long)Integer()),
        // Near one: sums and products that round and cancel.
        5 or 6 => (uint)((Next() & 0x807F_FFFF) + ((uint)(0x7F - 12 + Below(24)) << 23)),
        _ => (uint)Next(),
    };

    public ulong Double() => Below(10) switch
    {
        8 or 9 => Boundary(11, 52),
        < 3 => Pick<ulong>(Doubles),
        3 => BitConverter.DoubleToUInt64Bits(Below(2001) - 1000),
        4 => BitConverter.DoubleToUInt64Bits((long)Integer()),
        5 => (Next() & 0x800F_FFFF_FFFF_FFFF) + ((ulong)(0x3FF - 12 + Below(24)) << 52),
        6 => BitConverter.DoubleToUInt64Bits(BitConverter.UInt32BitsToSingle(Single())),
        _ => Next(),
    };

    public (ushort Exponent, ulong Significand) Extended() => Below(10) switch
    {
        8 or 9 => Normal(BoundaryExponent(15), BoundaryFraction(63)),
        < 3 => Pick<(ushort, ulong)>(Extendeds),
        3 => Normal(0x4000 + Below(64), Next() & ~0UL << Below(64)),
        4 or 5 => Normal(0x3FFF - 16 + Below(32), Next()),
        6 => Normal(0x3FFF - 1100 + Below(2200), Next() & ~0UL << Below(64)),
        _ => Normal(Below(0x7FFF), Next()),
    };

    // Exponents whose sums and differences overflow, underflow or just do not; fractions that round up to the next.
    private ulong Boundary(int exponentBits, int fractionBits) =>
        (ulong)Below(2) << (exponentBits + fractionBits) | (ulong)BoundaryExponent(exponentBits) << fractionBits | BoundaryFraction(fractionBits);

    private int BoundaryExponent(int bits)
    {
        int largest = (1 << bits) - 2;
        int bias = largest / 2;
        int exponent = Pick<int>([1, bias / 2, bias / 2 + 1, bias, bias + bias / 2, bias + bias / 2 + 1, largest]) + Below(3) - 1;
        return Math.Clamp(exponent, 0, largest);
    }

    private ulong BoundaryFraction(int bits)
    {
        ulong ones = (1UL << bits) - 1;
        return Below(6) switch { 0 => 0, 1 => ones, 2 => 1UL << Below(bits), 3 => ones << Below(bits) & ones, 4 => ones >> Below(bits), _ => Next() & ones };
    }

    private (ushort Exponent, ulong Significand) Normal(int exponent, ulong significand) =>
        ((ushort)(exponent | (Chance(50) ? 0x8000 : 0)), significand | 1UL << 63);
}
