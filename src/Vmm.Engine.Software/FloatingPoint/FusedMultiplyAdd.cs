namespace Vmm.Engine.Software.FloatingPoint;

/// <summary>a·b + c with one rounding (IEEE 754-2019 5.4.1), for formats whose products fit in 128 bits.</summary>
internal static class FusedMultiplyAdd
{
    private const ulong IntegerBit = 1UL << 63;

    /// <summary>Operands are no NaNs; <paramref name="negate"/> negates the product.</summary>
    public static Unpacked Apply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, Unpacked c, bool negate)
    {
        bool sign = (a.Sign != b.Sign) != negate;
        if (a.IsInfinity || b.IsInfinity)
        {
            if (a.IsZero || b.IsZero || (c.IsInfinity && c.Sign != sign))
            {
                environment.Raised |= FloatExceptions.Invalid;
                return Unpacked.Indefinite;
            }

            return new(FloatClass.Infinity, sign, 0, IntegerBit);
        }

        if (c.IsInfinity)
        {
            return c;
        }

        if (a.IsZero || b.IsZero)
        {
            return c.IsZero
                ? new(FloatClass.Zero, c.Sign == sign ? sign : environment.Rounding == RoundingMode.Down, 0, 0)
                : Rounder.Round(ref environment, format, c.Sign, c.Exponent, c.Significand, 0, out _);
        }

        ulong high = Math.BigMul(a.Significand, b.Significand, out ulong low);
        UInt128 product = new(high, low);
        int exponent = a.Exponent + b.Exponent + 1;
        if ((long)high >= 0)
        {
            product <<= 1;
            exponent--;
        }

        return c.IsZero
            ? Rounder.Round(ref environment, format, sign, exponent, (ulong)(product >> 64), (ulong)product, out _)
            : Sum(ref environment, format, (sign, exponent, product), (c.Sign, c.Exponent, new UInt128(c.Significand, 0)));
    }

    private static Unpacked Sum(
        ref FloatEnvironment environment, FloatFormat format,
        (bool Sign, int Exponent, UInt128 Significand) a, (bool Sign, int Exponent, UInt128 Significand) b)
    {
        if (a.Exponent < b.Exponent || (a.Exponent == b.Exponent && a.Significand < b.Significand))
        {
            (a, b) = (b, a);
        }

        // One bit of head room for the carry. The lowest bits of products and of addends are zeros: nothing is lost.
        UInt128 x = a.Significand >> 1;
        UInt128 y = b.Significand >> 1;
        (ulong high, ulong low) = Rounder.ShiftRightSticky((ulong)(y >> 64), (ulong)y, a.Exponent - b.Exponent);
        y = new UInt128(high, low);
        UInt128 sum = a.Sign == b.Sign ? x + y : x - y;
        if (sum == UInt128.Zero)
        {
            return new(FloatClass.Zero, environment.Rounding == RoundingMode.Down, 0, 0);
        }

        int shift = (int)UInt128.LeadingZeroCount(sum);
        sum <<= shift;
        return Rounder.Round(ref environment, format, a.Sign, a.Exponent + 1 - shift, (ulong)(sum >> 64), (ulong)sum, out _);
    }
}
