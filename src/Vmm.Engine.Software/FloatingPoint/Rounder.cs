namespace Vmm.Engine.Software.FloatingPoint;

/// <summary>Rounds an exact (or sticky) result to a format and raises overflow, underflow and precision (SDM Vol. 1 4.8.4, 4.9.1).</summary>
internal static class Rounder
{
    /// <summary>
    /// Rounds ±(high:low)/2^127 × 2^exponent; bit 127 of high:low is set, bits lost earlier are or-ed into bit 0.
    /// </summary>
    /// <param name="roundedUp">Whether the magnitude grew, which x87 reports in C1.</param>
    public static Unpacked Round(ref FloatEnvironment environment, FloatFormat format, bool sign, int exponent, ulong high, ulong low, out bool roundedUp)
    {
        (ulong significand, bool inexact, bool carry, roundedUp) = RoundBits(environment.Rounding, sign, high, low, format.Precision);
        int unboundedExponent = carry ? exponent + 1 : exponent;

        // Tininess is detected after rounding: with unbounded exponent range (SDM Vol. 1 4.9.1.5).
        if (unboundedExponent < format.MinimumExponent)
        {
            return RoundTiny(ref environment, format, sign, exponent, unboundedExponent, significand, inexact, high, low, ref roundedUp);
        }

        if (exponent < format.MinimumExponent)
        {
            // It rounds up into the normal range, but the bits that decide are those of the denormal.
            (significand, inexact, bool grew, roundedUp) = RoundDenormal(environment.Rounding, format, sign, exponent, high, low);
            unboundedExponent = format.MinimumExponent;
            _ = grew;
        }

        if (unboundedExponent > format.MaximumExponent)
        {
            return Overflow(ref environment, format, sign, unboundedExponent, significand, inexact, ref roundedUp);
        }

        if (inexact)
        {
            environment.Raised |= FloatExceptions.Precision;
        }

        return new(FloatClass.Normal, sign, unboundedExponent, significand);
    }

    private static Unpacked RoundTiny(
        ref FloatEnvironment environment, FloatFormat format, bool sign, int exponent, int unboundedExponent,
        ulong significand, bool inexact, ulong high, ulong low, ref bool roundedUp)
    {
        if ((environment.Masked & FloatExceptions.Underflow) == 0)
        {
            // Unmasked: reported whether exact or not; the caller delivers or wraps the exponent.
            environment.Raised |= FloatExceptions.Underflow | (inexact ? FloatExceptions.Precision : 0);
            return new(FloatClass.Normal, sign, unboundedExponent, significand);
        }

        if (environment.FlushToZero)
        {
            environment.Raised |= FloatExceptions.Underflow | FloatExceptions.Precision;
            roundedUp = false;
            return new(FloatClass.Zero, sign, 0, 0);
        }

        (significand, inexact, bool normal, roundedUp) = RoundDenormal(environment.Rounding, format, sign, exponent, high, low);
        if (inexact)
        {
            environment.Raised |= FloatExceptions.Underflow | FloatExceptions.Precision;
        }

        if (significand == 0)
        {
            return new(FloatClass.Zero, sign, 0, 0);
        }

        if (normal)
        {
            return new(FloatClass.Normal, sign, format.MinimumExponent, significand);
        }

        int shift = System.Numerics.BitOperations.LeadingZeroCount(significand);
        return new(FloatClass.Denormal, sign, format.MinimumExponent - shift, significand << shift);
    }

    private static Unpacked Overflow(
        ref FloatEnvironment environment, FloatFormat format, bool sign, int exponent, ulong significand, bool inexact, ref bool roundedUp)
    {
        environment.Raised |= FloatExceptions.Overflow;
        if ((environment.Masked & FloatExceptions.Overflow) == 0)
        {
            environment.Raised |= inexact ? FloatExceptions.Precision : 0;
            return new(FloatClass.Normal, sign, exponent, significand);
        }

        environment.Raised |= FloatExceptions.Precision;
        bool toInfinity = environment.Rounding switch
        {
            RoundingMode.Nearest => true,
            RoundingMode.Up => !sign,
            RoundingMode.Down => sign,
            _ => false,
        };
        roundedUp = toInfinity;
        return toInfinity
            ? new(FloatClass.Infinity, sign, 0, 1UL << 63)
            : new(FloatClass.Normal, sign, format.MaximumExponent, ulong.MaxValue << (64 - format.Precision));
    }

    /// <summary>Rounds at the place of the format's last denormal bit; the result has the scale of the minimum exponent.</summary>
    private static (ulong Significand, bool Inexact, bool Normal, bool RoundedUp) RoundDenormal(
        RoundingMode mode, FloatFormat format, bool sign, int exponent, ulong high, ulong low)
    {
        int shift = format.MinimumExponent - exponent;
        (high, low) = ShiftRightSticky(high, low, shift);
        (ulong significand, bool inexact, bool carry, bool up) = RoundBits(mode, sign, high, low, format.Precision);
        return (significand, inexact, carry || (long)significand < 0, up);
    }

    /// <summary>Rounds a 128-bit fraction to its upper <paramref name="precision"/> bits. A carry out gives the significand 1.000….</summary>
    private static (ulong Significand, bool Inexact, bool Carry, bool RoundedUp) RoundBits(RoundingMode mode, bool sign, ulong high, ulong low, int precision)
    {
        ulong keep = ulong.MaxValue << (64 - precision);
        ulong significand = high & keep;
        ulong restHigh = high & ~keep;
        bool inexact = (restHigh | low) != 0;
        if (!inexact)
        {
            return (significand, false, false, false);
        }

        bool up = mode switch
        {
            RoundingMode.Nearest => IsAboveHalf(restHigh, low, precision, (significand & (1UL << (64 - precision))) != 0),
            RoundingMode.Up => !sign,
            RoundingMode.Down => sign,
            _ => false,
        };
        if (!up)
        {
            return (significand, true, false, false);
        }

        ulong rounded = unchecked(significand + (1UL << (64 - precision)));
        return rounded == 0 ? (1UL << 63, true, true, true) : (rounded, true, rounded == 1UL << 63 && significand < 1UL << 63, true);
    }

    private static bool IsAboveHalf(ulong restHigh, ulong low, int precision, bool odd)
    {
        ulong half;
        if (precision == 64)
        {
            half = 1UL << 63;
            return low > half || (low == half && odd);
        }

        half = 1UL << (63 - precision);
        return restHigh > half || (restHigh == half && (low != 0 || odd));
    }

    /// <summary>Shifts right, or-ing what falls out into bit 0.</summary>
    public static (ulong High, ulong Low) ShiftRightSticky(ulong high, ulong low, int count)
    {
        switch (count)
        {
            case 0:
                return (high, low);
            case < 64:
                ulong lost = low << (64 - count);
                return (high >> count, (high << (64 - count)) | (low >> count) | (lost != 0 ? 1UL : 0));
            case 64:
                return (0, high | (low != 0 ? 1UL : 0));
            case < 128:
                ulong gone = (high << (128 - count)) | low;
                return (0, (high >> (count - 64)) | (gone != 0 ? 1UL : 0));
            default:
                return (0, (high | low) != 0 ? 1UL : 0);
        }
    }
}
