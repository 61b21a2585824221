using System.Numerics;

namespace Vmm.Engine.Software.FloatingPoint;

/// <summary>
/// Floating-point arithmetic bit by bit: the reference for SSE and x87, right for every rounding mode, precision and
/// exception. Operands are finite or infinite; NaNs and unsupported encodings are the caller's, whose rules differ
/// between SSE and x87.
/// </summary>
internal static class SoftFloat
{
    private const ulong IntegerBit = 1UL << 63;

    public static Unpacked Add(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, out bool roundedUp)
    {
        roundedUp = false;
        if (a.IsInfinity || b.IsInfinity)
        {
            if (a.IsInfinity && b.IsInfinity && a.Sign != b.Sign)
            {
                return Invalid(ref environment);
            }

            return a.IsInfinity ? a : b;
        }

        if (a.IsZero && b.IsZero)
        {
            bool sign = a.Sign == b.Sign ? a.Sign : environment.Rounding == RoundingMode.Down;
            return new(FloatClass.Zero, sign, 0, 0);
        }

        if (a.IsZero)
        {
            return Rounder.Round(ref environment, format, b.Sign, b.Exponent, b.Significand, 0, out roundedUp);
        }

        if (b.IsZero)
        {
            return Rounder.Round(ref environment, format, a.Sign, a.Exponent, a.Significand, 0, out roundedUp);
        }

        if (a.Exponent < b.Exponent || (a.Exponent == b.Exponent && a.Significand < b.Significand))
        {
            (a, b) = (b, a);
        }

        // One bit of head room for the carry: fractions start at bit 126.
        (ulong aHigh, ulong aLow) = (a.Significand >> 1, a.Significand << 63);
        (ulong bHigh, ulong bLow) = Rounder.ShiftRightSticky(b.Significand >> 1, b.Significand << 63, a.Exponent - b.Exponent);
        UInt128 x = new(aHigh, aLow);
        UInt128 y = new(bHigh, bLow);
        UInt128 sum = a.Sign == b.Sign ? x + y : x - y;
        if (sum == UInt128.Zero)
        {
            return new(FloatClass.Zero, environment.Rounding == RoundingMode.Down, 0, 0);
        }

        int shift = (int)UInt128.LeadingZeroCount(sum);
        sum <<= shift;
        return Rounder.Round(ref environment, format, a.Sign, a.Exponent + 1 - shift, (ulong)(sum >> 64), (ulong)sum, out roundedUp);
    }

    public static Unpacked Multiply(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, out bool roundedUp)
    {
        roundedUp = false;
        bool sign = a.Sign != b.Sign;
        if (a.IsInfinity || b.IsInfinity)
        {
            return a.IsZero || b.IsZero ? Invalid(ref environment) : new(FloatClass.Infinity, sign, 0, IntegerBit);
        }

        if (a.IsZero || b.IsZero)
        {
            return new(FloatClass.Zero, sign, 0, 0);
        }

        ulong high = Math.BigMul(a.Significand, b.Significand, out ulong low);
        int exponent = a.Exponent + b.Exponent + 1;
        if ((long)high >= 0)
        {
            high = (high << 1) | (low >> 63);
            low <<= 1;
            exponent--;
        }

        return Rounder.Round(ref environment, format, sign, exponent, high, low, out roundedUp);
    }

    public static Unpacked Divide(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, out bool roundedUp)
    {
        roundedUp = false;
        bool sign = a.Sign != b.Sign;
        if (a.IsInfinity)
        {
            return b.IsInfinity ? Invalid(ref environment) : a.WithSign(sign);
        }

        if (b.IsInfinity)
        {
            return new(FloatClass.Zero, sign, 0, 0);
        }

        if (b.IsZero)
        {
            if (a.IsZero)
            {
                return Invalid(ref environment);
            }

            environment.Raised |= FloatExceptions.DivideByZero;
            return new(FloatClass.Infinity, sign, 0, IntegerBit);
        }

        if (a.IsZero)
        {
            return a.WithSign(sign);
        }

        int exponent = a.Exponent - b.Exponent;
        UInt128 dividend = new(a.Significand, 0);
        if (a.Significand < b.Significand)
        {
            exponent--;
        }
        else
        {
            dividend >>= 1;
        }

        (UInt128 quotient, UInt128 remainder) = UInt128.DivRem(dividend, b.Significand);
        ulong high = (ulong)quotient;

        // 64 quotient bits, then one more exact bit and stickiness: enough to round 64-bit significands.
        UInt128 twice = remainder << 1;
        ulong low = twice >= b.Significand ? IntegerBit : 0;
        UInt128 rest = twice >= b.Significand ? twice - b.Significand : twice;
        low |= rest != UInt128.Zero ? 1UL : 0;
        return Rounder.Round(ref environment, format, sign, exponent, high, low, out roundedUp);
    }

    public static Unpacked SquareRoot(ref FloatEnvironment environment, FloatFormat format, Unpacked a, out bool roundedUp)
    {
        roundedUp = false;
        if (a.IsZero)
        {
            return a;
        }

        if (a.Sign)
        {
            return Invalid(ref environment);
        }

        if (a.IsInfinity)
        {
            return a;
        }

        // significand/2^63 × 2^e, made a square with an even exponent; root bit by bit: 65 bits and stickiness.
        bool odd = (a.Exponent & 1) != 0;
        int exponent = (a.Exponent - (odd ? 1 : 0)) / 2;
        UInt128 radicand = (UInt128)a.Significand << (odd ? 64 : 63);
        UInt128 root = FloorSquareRoot(radicand);
        UInt128 rest = radicand - (root * root);

        // The next bit: is (2·root + 1)² ≤ 4·radicand, that is, root + 1/4 ≤ rest?
        bool nextBit = rest > root;
        bool sticky = nextBit ? true : rest != UInt128.Zero;
        ulong low = (nextBit ? IntegerBit : 0) | (sticky ? 1UL : 0);
        return Rounder.Round(ref environment, format, false, exponent, (ulong)root, low, out roundedUp);
    }

    /// <summary>Largest root with root² ≤ value, for values from 2^126 on: the root has 64 bits.</summary>
    private static UInt128 FloorSquareRoot(UInt128 value)
    {
        UInt128 root = UInt128.Zero;
        UInt128 bit = UInt128.One << 126;
        UInt128 rest = value;
        while (bit != UInt128.Zero)
        {
            UInt128 trial = root + bit;
            root >>= 1;
            if (rest >= trial)
            {
                rest -= trial;
                root += bit;
            }

            bit >>= 2;
        }

        return root;
    }

    /// <summary>Rounds to an integral value in the same format.</summary>
    public static Unpacked RoundToIntegral(ref FloatEnvironment environment, Unpacked a, bool suppressPrecision, out bool roundedUp)
    {
        roundedUp = false;
        if (a.IsZero || a.IsInfinity || a.Exponent >= 63)
        {
            return a;
        }

        UInt128 magnitude = RoundMagnitude(environment.Rounding, a, out bool inexact, out roundedUp);
        if (inexact && !suppressPrecision)
        {
            environment.Raised |= FloatExceptions.Precision;
        }

        return FromMagnitude(a.Sign, magnitude);
    }

    /// <summary>Converts to a signed integer; out of range raises invalid and gives the integer indefinite of the width.</summary>
    public static long ToInteger(ref FloatEnvironment environment, Unpacked a, int bits, out bool roundedUp)
    {
        roundedUp = false;
        long indefinite = long.MinValue >> (64 - bits);
        if (a.IsNaN || a.IsInfinity || a.Class == FloatClass.Unsupported || a.Exponent > 63)
        {
            environment.Raised |= FloatExceptions.Invalid;
            return indefinite;
        }

        if (a.IsZero)
        {
            return 0;
        }

        UInt128 magnitude = RoundMagnitude(environment.Rounding, a, out bool inexact, out roundedUp);
        UInt128 limit = UInt128.One << (bits - 1);
        if (a.Sign ? magnitude > limit : magnitude >= limit)
        {
            environment.Raised |= FloatExceptions.Invalid;
            roundedUp = false;
            return indefinite;
        }

        if (inexact)
        {
            environment.Raised |= FloatExceptions.Precision;
        }

        long value = unchecked((long)(ulong)magnitude);
        return a.Sign ? unchecked(-value) : value;
    }

    /// <summary>A signed integer, rounded to a format.</summary>
    public static Unpacked FromInteger(ref FloatEnvironment environment, FloatFormat format, long value, out bool roundedUp)
    {
        roundedUp = false;
        if (value == 0)
        {
            return new(FloatClass.Zero, false, 0, 0);
        }

        Unpacked exact = FromMagnitude(value < 0, unchecked((ulong)(value < 0 ? -value : value)));
        return Rounder.Round(ref environment, format, exact.Sign, exact.Exponent, exact.Significand, 0, out roundedUp);
    }

    /// <summary>Converts to a narrower (or wider) format.</summary>
    public static Unpacked Convert(ref FloatEnvironment environment, FloatFormat format, Unpacked a, out bool roundedUp)
    {
        roundedUp = false;
        return a.Class is FloatClass.Normal or FloatClass.Denormal
            ? Rounder.Round(ref environment, format, a.Sign, a.Exponent, a.Significand, 0, out roundedUp)
            : a;
    }

    /// <summary>Orders two data that are not NaNs: negative, zero or positive.</summary>
    public static int Compare(Unpacked a, Unpacked b)
    {
        if (a.IsZero && b.IsZero)
        {
            return 0;
        }

        if (a.IsZero)
        {
            return b.Sign ? 1 : -1;
        }

        if (b.IsZero || a.Sign != b.Sign)
        {
            return a.Sign ? -1 : 1;
        }

        int magnitude = CompareMagnitudes(a, b);
        return a.Sign ? -magnitude : magnitude;
    }

    private static int CompareMagnitudes(Unpacked a, Unpacked b)
    {
        if (a.IsInfinity || b.IsInfinity)
        {
            return (a.IsInfinity ? 1 : 0) - (b.IsInfinity ? 1 : 0);
        }

        return a.Exponent != b.Exponent ? a.Exponent.CompareTo(b.Exponent) : a.Significand.CompareTo(b.Significand);
    }

    private static UInt128 RoundMagnitude(RoundingMode mode, Unpacked a, out bool inexact, out bool roundedUp)
    {
        // Integer part in the upper 64 bits of a 128-bit fixed-point number (plus head room), fraction below.
        int shift = 63 - a.Exponent;
        (ulong high, ulong low) = Rounder.ShiftRightSticky(a.Significand, 0, shift);
        inexact = low != 0;
        roundedUp = inexact && mode switch
        {
            RoundingMode.Nearest => low > IntegerBit || (low == IntegerBit && (high & 1) != 0),
            RoundingMode.Up => !a.Sign,
            RoundingMode.Down => a.Sign,
            _ => false,
        };
        return (UInt128)high + (roundedUp ? UInt128.One : UInt128.Zero);
    }

    private static Unpacked FromMagnitude(bool sign, UInt128 magnitude)
    {
        if (magnitude == UInt128.Zero)
        {
            return new(FloatClass.Zero, sign, 0, 0);
        }

        if (magnitude >> 64 != UInt128.Zero)
        {
            return new(FloatClass.Normal, sign, 64, IntegerBit);
        }

        int shift = BitOperations.LeadingZeroCount((ulong)magnitude);
        return new(FloatClass.Normal, sign, 63 - shift, (ulong)magnitude << shift);
    }

    private static Unpacked Invalid(ref FloatEnvironment environment)
    {
        environment.Raised |= FloatExceptions.Invalid;
        return Unpacked.Indefinite;
    }
}
