namespace Vmm.Engine.Software.FloatingPoint;

/// <summary>
/// A number with 128 bits of precision and any exponent: ±<see cref="Significand"/>/2^127 × 2^<see cref="Exponent"/> with
/// bit 127 set, or zero. Operations truncate; what they lose is far below the 64 bits that results are rounded to.
/// </summary>
internal readonly record struct WideFloat(bool Sign, int Exponent, UInt128 Significand)
{
    private static readonly UInt128 TopBit = UInt128.One << 127;

    public static WideFloat One => new(false, 0, TopBit);

    public static readonly WideFloat Pi = new(false, 1, new(0xC90F_DAA2_2168_C234, 0xC4C6_628B_80DC_1CD1));
    public static readonly WideFloat LogTwo = new(false, -1, new(0xB172_17F7_D1CF_79AB, 0xC9E3_B398_03F2_F6AF));
    public static readonly WideFloat Log2E = new(false, 0, new(0xB8AA_3B29_5C17_F0BB, 0xBE87_FED0_691D_3E88));
    public static readonly WideFloat Log2Ten = new(false, 1, new(0xD49A_784B_CD1B_8AFE, 0x492B_F6FF_4DAF_DB4C));
    public static readonly WideFloat Log10Two = new(false, -2, new(0x9A20_9A84_FBCF_F798, 0x8F89_59AC_0B7C_9178));

    public bool IsZero => Significand == UInt128.Zero;

    /// <summary>A finite datum, exactly.</summary>
    public static WideFloat From(Unpacked value) => new(value.Sign, value.Exponent, new UInt128(value.Significand, 0));

    /// <summary>±bits/2^127 × 2^exponent, normalised.</summary>
    public static WideFloat From(bool sign, int exponent, UInt128 bits)
    {
        int shift = (int)UInt128.LeadingZeroCount(bits);
        return new(sign, exponent - shift, bits << shift);
    }

    public static WideFloat From(int value) => From(value < 0, 127, (UInt128)(uint)Math.Abs(value));

    public WideFloat Negated() => this with { Sign = !Sign };

    public WideFloat Scaled(int exponent) => this with { Exponent = Exponent + exponent };

    public static WideFloat operator *(WideFloat a, WideFloat b) =>
        From(a.Sign != b.Sign, a.Exponent + b.Exponent + 1, FixedPoint.MultiplyHigh(a.Significand, b.Significand));

    public static WideFloat operator +(WideFloat a, WideFloat b)
    {
        if (a.IsZero || b.IsZero)
        {
            return a.IsZero ? b : a;
        }

        if (a.Exponent < b.Exponent || (a.Exponent == b.Exponent && a.Significand < b.Significand))
        {
            (a, b) = (b, a);
        }

        int distance = Math.Min(a.Exponent - b.Exponent, 127);
        UInt128 x = a.Significand >> 1;
        UInt128 y = b.Significand >> 1 >> distance;
        return From(a.Sign, a.Exponent + 1, a.Sign == b.Sign ? x + y : x - y);
    }

    public static WideFloat operator -(WideFloat a, WideFloat b) => a + b.Negated();

    public static WideFloat operator /(WideFloat a, WideFloat b)
    {
        // Bit by bit. Once doubled, a remainder may have a 129th bit: then it is above the divisor for sure.
        UInt128 rest = a.Significand;
        UInt128 quotient = UInt128.Zero;
        bool carry = false;
        for (int n = 0; n < 128; n++)
        {
            quotient <<= 1;
            if (carry || rest >= b.Significand)
            {
                rest = unchecked(rest - b.Significand);
                quotient |= UInt128.One;
            }

            carry = rest >= TopBit;
            rest <<= 1;
        }

        return From(a.Sign != b.Sign, a.Exponent - b.Exponent, quotient);
    }

    /// <summary>A magnitude below 1 as a fraction of 128 bits.</summary>
    public UInt128 ToFraction() => -Exponent - 1 < 128 ? Significand >> (-Exponent - 1) : UInt128.Zero;

    /// <summary>Rounds to 64 bits as an inexact result.</summary>
    public Unpacked Round(ref FloatEnvironment environment, out bool roundedUp) =>
        Rounder.Round(ref environment, FloatFormat.Extended, Sign, Exponent, (ulong)(Significand >> 64), (ulong)Significand | 1, out roundedUp);
}
