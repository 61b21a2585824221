using System.Numerics;
using System.Runtime.CompilerServices;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>
/// The short way through arithmetic: normal operands, a normal result, rounding to nearest, all exceptions masked, so
/// that nothing can happen but an inexact result. Whatever else comes up takes the long way, <see cref="X87Operands"/>.
/// </summary>
internal static unsafe class NormalArithmetic
{
    private const ulong IntegerBit = 1UL << 63;
    private const int Bias = 16383;
    private const int MaximumExponent = 0x7FFE;
    private const ushort SignBit = 0x8000;

    /// <summary>All masks, and rounding control; nearest.</summary>
    private const ushort ControlMask = 0xC3F;
    private const ushort ControlValue = 0x3F;

    // Precision control: double has bit 1 set and bit 0 clear, extended has both set.
    private const ushort DoubleOrExtended = 1 << 9;
    private const ushort Extended = 1 << 8;

    private const ushort Inexact = 1 << 5;

    /// <summary>Whether the control word allows the short way for results that precision control does not touch.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Serves(CpuState* s) => (s->FpuControl & ControlMask) == ControlValue;

    /// <summary>The same for results that it does; single precision takes the long way.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Serves(CpuState* s, out bool extended)
    {
        extended = (s->FpuControl & Extended) != 0;
        return (s->FpuControl & (ControlMask | DoubleOrExtended)) == (ControlValue | DoubleOrExtended);
    }

    /// <summary>Whether a datum is a normal number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsNormal(ExtendedReal value) =>
        (long)value.Significand < 0 && (uint)((value.SignExponent & 0x7FFF) - 1) < MaximumExponent;

    /// <summary>a + b, or a - b for a <paramref name="flip"/> of the sign bit. False: take the long way.</summary>
    public static bool Add(ExtendedReal a, ExtendedReal b, ushort flip, bool extended, out ExtendedReal result, out ushort status)
    {
        result = default;
        status = 0;
        if (!IsNormal(a) || !IsNormal(b))
        {
            return false;
        }

        b = b with { SignExponent = (ushort)(b.SignExponent ^ flip) };
        int distance = (a.SignExponent & 0x7FFF) - (b.SignExponent & 0x7FFF);
        if (distance < 0 || (distance == 0 && a.Significand < b.Significand))
        {
            (a, b) = (b, a);
            distance = -distance;
        }

        if (distance >= 64)
        {
            return false;
        }

        int exponent = a.SignExponent & 0x7FFF;
        ulong bHigh = b.Significand >> distance;
        ulong low = distance == 0 ? 0 : b.Significand << (64 - distance);
        ulong high;
        if (((a.SignExponent ^ b.SignExponent) & SignBit) == 0)
        {
            high = a.Significand + bHigh;
            if (high < bHigh)
            {
                low = (low >> 1) | (low & 1) | (high << 63);
                high = (high >> 1) | IntegerBit;
                exponent++;
            }
        }
        else
        {
            high = a.Significand - bHigh - (low != 0 ? 1UL : 0);
            low = 0 - low;
            if ((high | low) == 0)
            {
                return true;
            }

            if (high == 0)
            {
                high = low;
                low = 0;
                exponent -= 64;
            }

            int shift = BitOperations.LeadingZeroCount(high);
            if (shift != 0)
            {
                high = (high << shift) | (low >> (64 - shift));
                low <<= shift;
                exponent -= shift;
            }
        }

        return Round(a.SignExponent & SignBit, exponent, high, low, extended, out result, out status);
    }

    /// <summary>a · b. False: take the long way.</summary>
    public static bool Multiply(ExtendedReal a, ExtendedReal b, bool extended, out ExtendedReal result, out ushort status)
    {
        if (!IsNormal(a) || !IsNormal(b))
        {
            result = default;
            status = 0;
            return false;
        }

        ulong high = Math.BigMul(a.Significand, b.Significand, out ulong low);
        int exponent = (a.SignExponent & 0x7FFF) + (b.SignExponent & 0x7FFF) - Bias + 1;
        if ((long)high >= 0)
        {
            high = (high << 1) | (low >> 63);
            low <<= 1;
            exponent--;
        }

        return Round((a.SignExponent ^ b.SignExponent) & SignBit, exponent, high, low, extended, out result, out status);
    }

    /// <summary>a / b. False: take the long way.</summary>
    public static bool Divide(ExtendedReal a, ExtendedReal b, bool extended, out ExtendedReal result, out ushort status)
    {
        if (!IsNormal(a) || !IsNormal(b))
        {
            result = default;
            status = 0;
            return false;
        }

        int exponent = (a.SignExponent & 0x7FFF) - (b.SignExponent & 0x7FFF) + Bias;
        UInt128 dividend = new(a.Significand, 0);
        if (a.Significand < b.Significand)
        {
            exponent--;
        }
        else
        {
            dividend >>= 1;
        }

        ulong quotient = (ulong)(dividend / b.Significand);
        ulong rest = unchecked((ulong)dividend - (quotient * b.Significand));

        // Half a unit or more is left when twice the rest reaches the divisor.
        bool half = rest >= b.Significand - rest;
        ulong beyond = unchecked(half ? rest - (b.Significand - rest) : rest);
        ulong low = (half ? IntegerBit : 0) | (beyond != 0 ? 1UL : 0);
        return Round((a.SignExponent ^ b.SignExponent) & SignBit, exponent, quotient, low, extended, out result, out status);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Round(int sign, int exponent, ulong high, ulong low, bool extended, out ExtendedReal result, out ushort status)
    {
        bool inexact;
        bool up;
        if (extended)
        {
            inexact = low != 0;
            up = low > IntegerBit || (low == IntegerBit && (high & 1) != 0);
            high += up ? 1UL : 0;
        }
        else
        {
            high = Shorten(high, low, 53, out inexact, out up);
        }

        if (high == 0)
        {
            high = IntegerBit;
            exponent++;
        }

        status = Status(inexact, up);
        result = new(high, (ushort)(sign | exponent));
        return (uint)(exponent - 1) < MaximumExponent;
    }

    /// <summary>Rounds to fewer bits, to nearest; 0 for a carry out.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Shorten(ulong high, ulong low, int precision, out bool inexact, out bool up)
    {
        ulong unit = 1UL << (64 - precision);
        ulong rest = high & (unit - 1);
        high -= rest;
        inexact = (rest | low) != 0;
        up = rest > unit >> 1 || (rest == unit >> 1 && (low != 0 || (high & unit) != 0));
        return up ? high + unit : high;
    }

    private static ushort Status(bool inexact, bool up) => (ushort)((inexact ? Inexact : 0) | (up ? X87Control.C1 : 0));

    /// <summary>A normal double.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool FromDouble(ulong bits, out ExtendedReal value)
    {
        int exponent = (int)(bits >> 52) & 0x7FF;
        value = new(IntegerBit | (bits << 11), (ushort)(((bits >> 48) & SignBit) | (uint)(exponent + Bias - 1023)));
        return (uint)(exponent - 1) < 0x7FE;
    }

    /// <summary>A normal single.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool FromSingle(uint bits, out ExtendedReal value)
    {
        int exponent = (int)(bits >> 23) & 0xFF;
        value = new(IntegerBit | ((ulong)bits << 40), (ushort)(((bits >> 16) & SignBit) | (uint)(exponent + Bias - 127)));
        return (uint)(exponent - 1) < 0xFE;
    }

    /// <summary>Any integer but 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool FromInteger(long integer, out ExtendedReal value)
    {
        ulong magnitude = (ulong)(integer < 0 ? unchecked(-integer) : integer);
        int shift = BitOperations.LeadingZeroCount(magnitude);
        value = new(magnitude << shift, (ushort)((integer < 0 ? SignBit : 0) | (Bias + 63 - shift)));
        return integer != 0;
    }

    /// <summary>To a normal double. False: take the long way.</summary>
    public static bool ToDouble(ExtendedReal value, out ulong bits, out ushort status)
    {
        ulong significand = Shorten(value.Significand, 0, 53, out bool inexact, out bool up);
        int exponent = (value.SignExponent & 0x7FFF) - Bias + 1023 + (significand == 0 ? 1 : 0);
        bits = ((ulong)(value.SignExponent & SignBit) << 48) | ((ulong)(uint)exponent << 52) | ((significand >> 11) & 0xF_FFFF_FFFF_FFFF);
        status = Status(inexact, up);
        return IsNormal(value) && (uint)(exponent - 1) < 0x7FE;
    }

    /// <summary>To a normal single. False: take the long way.</summary>
    public static bool ToSingle(ExtendedReal value, out uint bits, out ushort status)
    {
        ulong significand = Shorten(value.Significand, 0, 24, out bool inexact, out bool up);
        int exponent = (value.SignExponent & 0x7FFF) - Bias + 127 + (significand == 0 ? 1 : 0);
        bits = ((uint)(value.SignExponent & SignBit) << 16) | ((uint)exponent << 23) | ((uint)(significand >> 40) & 0x7F_FFFF);
        status = Status(inexact, up);
        return IsNormal(value) && (uint)(exponent - 1) < 0xFE;
    }

    /// <summary>To an integer of magnitude 1 to 2^62. False: take the long way.</summary>
    public static bool ToInteger(ExtendedReal value, out long integer, out ushort status)
    {
        int shift = Bias + 63 - (value.SignExponent & 0x7FFF);
        if (!IsNormal(value) || shift is < 2 or > 63)
        {
            integer = 0;
            status = 0;
            return false;
        }

        ulong rest = value.Significand << (64 - shift);
        ulong magnitude = value.Significand >> shift;
        bool up = rest > IntegerBit || (rest == IntegerBit && (magnitude & 1) != 0);
        magnitude += up ? 1UL : 0;
        integer = (value.SignExponent & SignBit) != 0 ? -(long)magnitude : (long)magnitude;
        status = Status(rest != 0, up);
        return true;
    }
}
