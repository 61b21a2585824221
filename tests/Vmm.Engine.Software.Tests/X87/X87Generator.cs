namespace Vmm.Engine.Software.Tests.X87;

/// <summary>Random x87 states and operands, most of them at the edges.</summary>
internal sealed class X87Generator(int seed)
{
    private readonly Random _random = new(seed);

    public ulong Bits() => (ulong)_random.NextInt64(long.MinValue, long.MaxValue);

    public int Below(int limit) => _random.Next(limit);

    /// <summary>A significand with few bits, many bits, or bits around the places where shorter formats round.</summary>
    private ulong Significand()
    {
        const ulong integer = 1UL << 63;
        return Below(6) switch
        {
            0 => integer,
            1 => ulong.MaxValue,
            2 => integer | (Bits() & Bits() & Bits()),
            3 => integer | (Bits() << 40) | (1UL << 39),
            4 => integer | (Bits() << 11) | (uint)Below(0x800),
            _ => integer | Bits(),
        };
    }

    /// <summary>An 80-bit datum of any class; exponents stay close to each other, so that operations meet.</summary>
    public (ulong Significand, ushort SignExponent) Extended()
    {
        ushort sign = (ushort)(Below(2) << 15);
        (ulong significand, int exponent) = Below(24) switch
        {
            0 => (0UL, 0),
            1 => (1UL << 63, 0x7FFF),
            2 => (Significand() | (3UL << 62), 0x7FFF),
            3 => ((Significand() & ~(1UL << 62)) | 1, 0x7FFF),
            4 => (Significand() >> 1, Below(0x8000)),
            5 => (Bits() >> Below(63), 0),
            6 => (Significand(), 0),
            7 => (Significand(), Below(70)),
            8 => (Significand(), 0x7FFE - Below(70)),
            9 => (Significand(), Below(0x7FFF)),
            10 => (Significand(), 0x3FFF - 1022 - Below(60)),
            11 => (Significand(), 0x3FFF - 126 - Below(30)),
            12 => (Significand(), 0x3FFF + (Below(2) == 0 ? 127 : 1023) + Below(2)),
            13 or 14 => (1UL << 63, 0x3FFF + Below(20) - 3),
            15 => (Significand(), 0x3FFF + 55 + Below(10)),
            16 => (Significand(), 0x3FFF + Below(18)),
            17 => (Significand(), 0x3FFF + Below(140) - 70),
            _ => (Significand(), 0x3FFF + Below(7) - 3),
        };
        return (significand, (ushort)(sign | exponent));
    }

    /// <summary>64 bits that are edges as a single, a double and an integer.</summary>
    public ulong Memory()
    {
        ulong sign = (ulong)Below(2) << 63;
        return Below(12) switch
        {
            0 => sign,
            1 => sign | (0x7FFUL << 52) | (Below(2) == 0 ? 0 : Bits() >> 12),
            2 => sign | (Bits() >> 12),
            3 => sign | ((ulong)(1023 + Below(9) - 4) << 52) | (Bits() >> 12),
            4 => Single(),
            5 => Single() | 0x7F80_0000,
            6 => Single() & 0x807F_FFFF,
            7 => (ulong)(long)(short)Bits(),
            8 => (ulong)(long)(int)Bits(),
            9 => (ulong)(long)Below(5) - 2,
            _ => Bits(),
        };
    }

    private ulong Single() => (Bits() & 0x8FFF_FFFF) | 0x3000_0000 | (Bits() << 32);

    /// <summary>A packed decimal with valid digits.</summary>
    public (ulong Low, ushort High) Decimal()
    {
        ulong low = 0;
        for (int n = 0; n < 16; n++)
        {
            low |= (ulong)Below(10) << (n * 4);
        }

        return (low, (ushort)(Below(10) | (Below(10) << 4) | (Below(2) << 15)));
    }

    /// <summary>A control word: mostly all masked.</summary>
    public ushort Control()
    {
        int precision = Below(4) switch { 0 => 0, 1 => 2, _ => 3 };
        int masks = Below(3) == 0 ? Below(64) : 0x3F;
        return (ushort)(masks | 0x40 | (precision << 8) | (Below(4) << 10));
    }
}
