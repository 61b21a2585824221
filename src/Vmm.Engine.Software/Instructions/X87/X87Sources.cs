using System.Runtime.InteropServices;
using Vmm.Engine.Software.FloatingPoint;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>A format of memory operands.</summary>
internal interface IX87Source<T> where T : unmanaged
{
    static abstract Unpacked Unpack(T bits);

    /// <summary>The datum when it is a normal number; false when it is not.</summary>
    static abstract bool TryExtend(T bits, out ExtendedReal value);
}

internal readonly struct SingleReal : IX87Source<uint>
{
    public static Unpacked Unpack(uint bits) => Unpacked.FromSingle(bits);

    public static bool TryExtend(uint bits, out ExtendedReal value) => NormalArithmetic.FromSingle(bits, out value);
}

internal readonly struct DoubleReal : IX87Source<ulong>
{
    public static Unpacked Unpack(ulong bits) => Unpacked.FromDouble(bits);

    public static bool TryExtend(ulong bits, out ExtendedReal value) => NormalArithmetic.FromDouble(bits, out value);
}

internal readonly struct WordInteger : IX87Source<short>
{
    public static Unpacked Unpack(short bits) => QwordInteger.Unpack(bits);

    public static bool TryExtend(short bits, out ExtendedReal value) => NormalArithmetic.FromInteger(bits, out value);
}

internal readonly struct DwordInteger : IX87Source<int>
{
    public static Unpacked Unpack(int bits) => QwordInteger.Unpack(bits);

    public static bool TryExtend(int bits, out ExtendedReal value) => NormalArithmetic.FromInteger(bits, out value);
}

internal readonly struct QwordInteger : IX87Source<long>
{
    public static Unpacked Unpack(long bits)
    {
        FloatEnvironment exact = default;
        return SoftFloat.FromInteger(ref exact, FloatFormat.Extended, bits, out _);
    }

    public static bool TryExtend(long bits, out ExtendedReal value) => NormalArithmetic.FromInteger(bits, out value);
}

/// <summary>18 decimal digits and a sign (SDM Vol. 1 4.7).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 2)]
internal readonly record struct PackedDecimal(ulong LowDigits, ushort HighDigitsAndSign) : IX87Source<PackedDecimal>
{
    public const ulong Limit = 1_000_000_000_000_000_000;

    /// <summary>What a masked invalid conversion stores.</summary>
    public static PackedDecimal Indefinite => new(0xC000_0000_0000_0000, 0xFFFF);

    public static Unpacked Unpack(PackedDecimal bits)
    {
        ulong value = Digits(bits.HighDigitsAndSign, 2);
        value = (value * 10_000_000_000_000_000) + Digits(bits.LowDigits, 16);
        return QwordInteger.Unpack((long)value).WithSign((bits.HighDigitsAndSign & 0x8000) != 0);
    }

    public static bool TryExtend(PackedDecimal bits, out ExtendedReal value)
    {
        value = default;
        return false;
    }

    public static PackedDecimal Pack(bool sign, ulong magnitude)
    {
        ulong low = 0;
        for (int n = 0; n < 16; n++)
        {
            low |= magnitude % 10 << (n * 4);
            magnitude /= 10;
        }

        return new(low, (ushort)(magnitude % 10 | (magnitude / 10 << 4) | (sign ? 0x8000u : 0)));
    }

    private static ulong Digits(ulong nibbles, int count)
    {
        ulong value = 0;
        for (int n = count - 1; n >= 0; n--)
        {
            value = (value * 10) + ((nibbles >> (n * 4)) & 15);
        }

        return value;
    }
}
