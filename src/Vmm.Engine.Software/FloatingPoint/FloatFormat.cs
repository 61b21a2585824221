namespace Vmm.Engine.Software.FloatingPoint;

/// <summary>A binary format by its precision and exponent range (IEEE 754-2019 table 3.5; SDM Vol. 1 table 4-2).</summary>
/// <param name="Precision">Bits of the significand, the leading one included.</param>
/// <param name="MaximumExponent">Largest unbiased exponent of a finite number; also the bias.</param>
internal readonly record struct FloatFormat(int Precision, int MaximumExponent)
{
    public static readonly FloatFormat Half = new(11, 15);
    public static readonly FloatFormat Single = new(24, 127);
    public static readonly FloatFormat Double = new(53, 1023);
    public static readonly FloatFormat Extended = new(64, 16383);

    /// <summary>x87 arithmetic with reduced precision control keeps the range of the registers (SDM Vol. 1 8.1.5.2).</summary>
    public static readonly FloatFormat ExtendedRangeDouble = new(53, 16383);
    public static readonly FloatFormat ExtendedRangeSingle = new(24, 16383);

    public int MinimumExponent => 1 - MaximumExponent;
}

/// <summary>What kind of datum an encoding is.</summary>
internal enum FloatClass : byte
{
    Zero,
    Denormal,
    Normal,
    Infinity,
    QuietNaN,
    SignalingNaN,

    /// <summary>Pseudo-infinities, pseudo-NaNs and unnormals of the extended format: invalid operands (SDM Vol. 1 8.2.2).</summary>
    Unsupported,
}

/// <summary>
/// A datum taken apart. Finite numbers are ±<see cref="Significand"/>/2^63 × 2^<see cref="Exponent"/> with bit 63 of the
/// significand set, denormals normalised; NaNs keep their payload left-aligned below bit 63.
/// </summary>
internal readonly record struct Unpacked(FloatClass Class, bool Sign, int Exponent, ulong Significand)
{
    public bool IsNaN => Class is FloatClass.QuietNaN or FloatClass.SignalingNaN;

    public bool IsZero => Class == FloatClass.Zero;

    public bool IsInfinity => Class == FloatClass.Infinity;

    public Unpacked WithSign(bool sign) => this with { Sign = sign };

    public static Unpacked FromHalf(ushort bits) =>
        Unpack((short)bits < 0, (bits >> 10) & 0x1F, 0x1F, 15, (ulong)(bits & 0x3FF) << 53);

    public static Unpacked FromSingle(uint bits)
    {
        bool sign = (int)bits < 0;
        int exponent = (int)(bits >> 23) & 0xFF;
        ulong fraction = (ulong)(bits & 0x7F_FFFF) << 40;
        return Unpack(sign, exponent, 0xFF, 127, fraction);
    }

    public static Unpacked FromDouble(ulong bits)
    {
        bool sign = (long)bits < 0;
        int exponent = (int)(bits >> 52) & 0x7FF;
        ulong fraction = (bits & 0xF_FFFF_FFFF_FFFF) << 11;
        return Unpack(sign, exponent, 0x7FF, 1023, fraction);
    }

    /// <summary>From the 80-bit format, whose leading bit is explicit.</summary>
    public static Unpacked FromExtended(ulong significand, ushort signExponent)
    {
        bool sign = (signExponent & 0x8000) != 0;
        int exponent = signExponent & 0x7FFF;
        bool integer = (long)significand < 0;
        if (exponent == 0x7FFF)
        {
            if (!integer)
            {
                return new(FloatClass.Unsupported, sign, 0, significand);
            }

            ulong fraction = significand << 1;
            return fraction == 0
                ? new(FloatClass.Infinity, sign, 0, significand)
                : new((significand & (1UL << 62)) != 0 ? FloatClass.QuietNaN : FloatClass.SignalingNaN, sign, 0, significand);
        }

        if (exponent == 0)
        {
            if (significand == 0)
            {
                return new(FloatClass.Zero, sign, 0, 0);
            }

            int shift = System.Numerics.BitOperations.LeadingZeroCount(significand);
            return new(FloatClass.Denormal, sign, -16382 - shift, significand << shift);
        }

        return integer
            ? new(FloatClass.Normal, sign, exponent - 16383, significand)
            : new(FloatClass.Unsupported, sign, 0, significand);
    }

    private static Unpacked Unpack(bool sign, int exponent, int maximum, int bias, ulong fraction)
    {
        const ulong integer = 1UL << 63;
        if (exponent == maximum)
        {
            return fraction == 0
                ? new(FloatClass.Infinity, sign, 0, integer)
                : new((fraction & (1UL << 62)) != 0 ? FloatClass.QuietNaN : FloatClass.SignalingNaN, sign, 0, integer | fraction);
        }

        if (exponent != 0)
        {
            return new(FloatClass.Normal, sign, exponent - bias, integer | fraction);
        }

        if (fraction == 0)
        {
            return new(FloatClass.Zero, sign, 0, 0);
        }

        int shift = System.Numerics.BitOperations.LeadingZeroCount(fraction);
        return new(FloatClass.Denormal, sign, -bias - shift + 1, fraction << shift);
    }

    /// <summary>Packs a value that the format can hold exactly (as <see cref="Rounder"/> returns it).</summary>
    public uint ToSingle()
    {
        uint sign = Sign ? 0x8000_0000 : 0;
        return Class switch
        {
            FloatClass.Zero => sign,
            FloatClass.Infinity => sign | 0x7F80_0000,
            FloatClass.QuietNaN or FloatClass.SignalingNaN => sign | 0x7F80_0000 | (uint)((Significand << 1) >> 41),
            _ when Exponent < -126 => sign | (uint)(Significand >> (40 + (-126 - Exponent))),
            _ => sign | ((uint)(Exponent + 127) << 23) | ((uint)(Significand >> 40) & 0x7F_FFFF),
        };
    }

    /// <inheritdoc cref="ToSingle"/>
    public ushort ToHalf()
    {
        int sign = Sign ? 0x8000 : 0;
        return (ushort)(Class switch
        {
            FloatClass.Zero => sign,
            FloatClass.Infinity => sign | 0x7C00,
            FloatClass.QuietNaN or FloatClass.SignalingNaN => sign | 0x7C00 | (int)((Significand << 1) >> 54),
            _ when Exponent < -14 => sign | (int)(Significand >> (53 + (-14 - Exponent))),
            _ => sign | ((Exponent + 15) << 10) | ((int)(Significand >> 53) & 0x3FF),
        });
    }

    /// <inheritdoc cref="ToSingle"/>
    public ulong ToDouble()
    {
        ulong sign = Sign ? 1UL << 63 : 0;
        return Class switch
        {
            FloatClass.Zero => sign,
            FloatClass.Infinity => sign | 0x7FF0_0000_0000_0000,
            FloatClass.QuietNaN or FloatClass.SignalingNaN => sign | 0x7FF0_0000_0000_0000 | ((Significand << 1) >> 12),
            _ when Exponent < -1022 => sign | (Significand >> (11 + (-1022 - Exponent))),
            _ => sign | ((ulong)(Exponent + 1023) << 52) | ((Significand >> 11) & 0xF_FFFF_FFFF_FFFF),
        };
    }

    /// <summary>Packs into the 80-bit format.</summary>
    public (ulong Significand, ushort SignExponent) ToExtended()
    {
        int sign = Sign ? 0x8000 : 0;
        return Class switch
        {
            FloatClass.Zero => (0, (ushort)sign),
            FloatClass.Infinity => (1UL << 63, (ushort)(sign | 0x7FFF)),
            FloatClass.QuietNaN or FloatClass.SignalingNaN => (Significand, (ushort)(sign | 0x7FFF)),
            _ when Exponent < -16382 => (Significand >> (-16382 - Exponent), (ushort)sign),
            _ => (Significand, (ushort)(sign | (Exponent + 16383))),
        };
    }

    /// <summary>The default NaN of masked invalid operations: "QNaN floating-point indefinite".</summary>
    public static Unpacked Indefinite => new(FloatClass.QuietNaN, true, 0, 3UL << 62);

    /// <summary>The same NaN, quiet.</summary>
    public Unpacked Quieted() => new(FloatClass.QuietNaN, Sign, 0, Significand | (3UL << 62));
}
