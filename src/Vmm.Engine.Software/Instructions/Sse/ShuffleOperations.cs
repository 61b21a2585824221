using System.Runtime.Intrinsics;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Sse;

internal readonly struct UnpackLowBytes : IVectorBinary
{
    public static V Apply(V a, V b) => Interleave.Bytes(a.AsUInt64().GetElement(0), b.AsUInt64().GetElement(0));
}

internal readonly struct UnpackHighBytes : IVectorBinary
{
    public static V Apply(V a, V b) => Interleave.Bytes(a.AsUInt64().GetElement(1), b.AsUInt64().GetElement(1));
}

internal readonly struct UnpackLowWords : IVectorBinary
{
    public static V Apply(V a, V b) => Interleave.Words(a.AsUInt64().GetElement(0), b.AsUInt64().GetElement(0));
}

internal readonly struct UnpackHighWords : IVectorBinary
{
    public static V Apply(V a, V b) => Interleave.Words(a.AsUInt64().GetElement(1), b.AsUInt64().GetElement(1));
}

internal readonly struct UnpackLowDwords : IVectorBinary
{
    public static V Apply(V a, V b) =>
        Vector128.Create(a.AsUInt32().GetElement(0), b.AsUInt32().GetElement(0), a.AsUInt32().GetElement(1), b.AsUInt32().GetElement(1)).AsByte();
}

internal readonly struct UnpackHighDwords : IVectorBinary
{
    public static V Apply(V a, V b) =>
        Vector128.Create(a.AsUInt32().GetElement(2), b.AsUInt32().GetElement(2), a.AsUInt32().GetElement(3), b.AsUInt32().GetElement(3)).AsByte();
}

internal readonly struct UnpackLowQwords : IVectorBinary
{
    public static V Apply(V a, V b) => Vector128.Create(a.AsUInt64().GetElement(0), b.AsUInt64().GetElement(0)).AsByte();
}

internal readonly struct UnpackHighQwords : IVectorBinary
{
    public static V Apply(V a, V b) => Vector128.Create(a.AsUInt64().GetElement(1), b.AsUInt64().GetElement(1)).AsByte();
}

internal static class Interleave
{
    public static V Bytes(ulong a, ulong b)
    {
        (Vector128<ushort> low, _) = Vector128.Widen(Vector128.CreateScalar(a).AsByte());
        (Vector128<ushort> high, _) = Vector128.Widen(Vector128.CreateScalar(b).AsByte());
        return (low | (high << 8)).AsByte();
    }

    public static V Words(ulong a, ulong b)
    {
        (Vector128<uint> low, _) = Vector128.Widen(Vector128.CreateScalar(a).AsUInt16());
        (Vector128<uint> high, _) = Vector128.Widen(Vector128.CreateScalar(b).AsUInt16());
        return (low | (high << 16)).AsByte();
    }
}

internal readonly struct PackSignedWords : IVectorBinary
{
    public static V Apply(V a, V b) => Vector128.NarrowWithSaturation(a.AsInt16(), b.AsInt16()).AsByte();
}

internal readonly struct PackSignedDwords : IVectorBinary
{
    public static V Apply(V a, V b) => Vector128.NarrowWithSaturation(a.AsInt32(), b.AsInt32()).AsByte();
}

internal readonly struct PackUnsignedWords : IVectorBinary
{
    public static V Apply(V a, V b) => Vector128.Narrow(Clamp(a), Clamp(b));

    private static Vector128<ushort> Clamp(V v) =>
        Vector128.Min(Vector128.Max(v.AsInt16(), default), Vector128.Create((short)0xFF)).AsUInt16();
}

internal readonly struct PackUnsignedDwords : IVectorBinary
{
    public static V Apply(V a, V b) => Vector128.Narrow(Clamp(a), Clamp(b)).AsByte();

    private static Vector128<uint> Clamp(V v) =>
        Vector128.Min(Vector128.Max(v.AsInt32(), default), Vector128.Create(0xFFFF)).AsUInt32();
}

/// <summary>PSHUFB: an index with bit 7 set gives zero.</summary>
internal readonly struct ShuffleBytes : IVectorBinary
{
    public static V Apply(V a, V b) =>
        Vector128.Shuffle(a, b & Vector128.Create((byte)15)) & ~Vector128.LessThan(b.AsSByte(), default).AsByte();
}

internal readonly struct ShuffleDwords : IVectorBinaryImmediate
{
    public static V Apply(V a, V b, byte n)
    {
        Vector128<uint> v = b.AsUInt32();
        return Vector128.Create(v.GetElement(n & 3), v.GetElement((n >> 2) & 3), v.GetElement((n >> 4) & 3), v.GetElement(n >> 6)).AsByte();
    }
}

internal readonly struct ShuffleHighWords : IVectorBinaryImmediate
{
    public static V Apply(V a, V b, byte n) =>
        Vector128.Create(b.AsUInt64().GetElement(0), WordShuffle.Apply(b.AsUInt64().GetElement(1), n)).AsByte();
}

internal readonly struct ShuffleLowWords : IVectorBinaryImmediate
{
    public static V Apply(V a, V b, byte n) =>
        Vector128.Create(WordShuffle.Apply(b.AsUInt64().GetElement(0), n), b.AsUInt64().GetElement(1)).AsByte();
}

internal static class WordShuffle
{
    /// <summary>Four words, each chosen by two bits of the order.</summary>
    public static ulong Apply(ulong words, byte order)
    {
        ulong result = 0;
        for (int n = 0; n < 4; n++)
        {
            ulong word = (ushort)(words >> (((order >> (2 * n)) & 3) * 16));
            result |= word << (16 * n);
        }

        return result;
    }
}

internal readonly struct ShuffleSingles : IVectorBinaryImmediate
{
    public static V Apply(V a, V b, byte n)
    {
        Vector128<uint> x = a.AsUInt32();
        Vector128<uint> y = b.AsUInt32();
        return Vector128.Create(x.GetElement(n & 3), x.GetElement((n >> 2) & 3), y.GetElement((n >> 4) & 3), y.GetElement(n >> 6)).AsByte();
    }
}

internal readonly struct ShuffleDoubles : IVectorBinaryImmediate
{
    public static int UpperHalfShift => 2;

    public static V Apply(V a, V b, byte n) =>
        Vector128.Create(a.AsUInt64().GetElement(n & 1), b.AsUInt64().GetElement((n >> 1) & 1)).AsByte();
}

/// <summary>PALIGNR: the pair a:b shifted right by bytes.</summary>
internal readonly struct AlignRight : IVectorBinaryImmediate
{
    public static V Apply(V a, V b, byte n) => n switch
    {
        0 => b,
        < 16 => ((b.AsUInt128() >> (n * 8)) | (a.AsUInt128() << (128 - (n * 8)))).AsVector(),
        < 32 => (a.AsUInt128() >> ((n - 16) * 8)).AsVector(),
        _ => default,
    };
}

internal readonly struct BlendWords : IVectorBinaryImmediate
{
    public static V Apply(V a, V b, byte n)
    {
        Vector128<ushort> bits = Vector128.Create((ushort)1, 2, 4, 8, 16, 32, 64, 128);
        return Vector128.ConditionalSelect(Vector128.Equals(Vector128.Create((ushort)n) & bits, bits), b.AsUInt16(), a.AsUInt16()).AsByte();
    }
}

internal readonly struct BlendSingles : IVectorBinaryImmediate
{
    public static int UpperHalfShift => 4;

    public static V Apply(V a, V b, byte n)
    {
        Vector128<uint> bits = Vector128.Create(1u, 2, 4, 8);
        return Vector128.ConditionalSelect(Vector128.Equals(Vector128.Create((uint)n) & bits, bits), b.AsUInt32(), a.AsUInt32()).AsByte();
    }
}

internal readonly struct BlendDoubles : IVectorBinaryImmediate
{
    public static int UpperHalfShift => 2;

    public static V Apply(V a, V b, byte n)
    {
        Vector128<ulong> bits = Vector128.Create(1UL, 2);
        return Vector128.ConditionalSelect(Vector128.Equals(Vector128.Create((ulong)n) & bits, bits), b.AsUInt64(), a.AsUInt64()).AsByte();
    }
}

/// <summary>MPSADBW: eight sums of absolute differences of four bytes each.</summary>
internal readonly struct MultipleSumsOfAbsoluteDifferences : IVectorBinaryImmediate
{
    public static int UpperHalfShift => 3;

    public static V Apply(V a, V b, byte n)
    {
        int aStart = (n & 4) != 0 ? 4 : 0;
        int bStart = (n & 3) * 4;
        Span<ushort> sums = stackalloc ushort[8];
        for (int k = 0; k < 8; k++)
        {
            int sum = 0;
            for (int j = 0; j < 4; j++)
            {
                sum += Math.Abs(a.GetElement(aStart + k + j) - b.GetElement(bStart + j));
            }

            sums[k] = (ushort)sum;
        }

        return Vector128.Create<ushort>(sums).AsByte();
    }
}

/// <summary>PCLMULQDQ: a product without carries.</summary>
internal readonly struct CarrylessMultiply : IVectorBinaryImmediate
{
    public static V Apply(V a, V b, byte n)
    {
        ulong x = a.AsUInt64().GetElement(n & 1);
        ulong y = b.AsUInt64().GetElement((n >> 4) & 1);
        UInt128 product = UInt128.Zero;
        for (int bit = 0; bit < 64; bit++)
        {
            if (((y >> bit) & 1) != 0)
            {
                product ^= (UInt128)x << bit;
            }
        }

        return product.AsVector();
    }
}

internal readonly struct DuplicateEvenSingles : IVectorUnary
{
    public static V Apply(V v) => Vector128.Shuffle(v.AsUInt32(), Vector128.Create(0u, 0, 2, 2)).AsByte();
}

internal readonly struct DuplicateOddSingles : IVectorUnary
{
    public static V Apply(V v) => Vector128.Shuffle(v.AsUInt32(), Vector128.Create(1u, 1, 3, 3)).AsByte();
}

internal readonly struct DuplicateLowDouble : IVectorUnary
{
    public static V Apply(V v) => Vector128.Create(v.AsUInt64().ToScalar()).AsByte();
}

internal readonly struct SignExtendBytesToWords : IVectorUnary { public static V Apply(V v) => Vector128.WidenLower(v.AsSByte()).AsByte(); }
internal readonly struct SignExtendBytesToDwords : IVectorUnary { public static V Apply(V v) => Vector128.WidenLower(Vector128.WidenLower(v.AsSByte())).AsByte(); }
internal readonly struct SignExtendBytesToQwords : IVectorUnary { public static V Apply(V v) => Vector128.WidenLower(Vector128.WidenLower(Vector128.WidenLower(v.AsSByte()))).AsByte(); }
internal readonly struct SignExtendWordsToDwords : IVectorUnary { public static V Apply(V v) => Vector128.WidenLower(v.AsInt16()).AsByte(); }
internal readonly struct SignExtendWordsToQwords : IVectorUnary { public static V Apply(V v) => Vector128.WidenLower(Vector128.WidenLower(v.AsInt16())).AsByte(); }
internal readonly struct SignExtendDwordsToQwords : IVectorUnary { public static V Apply(V v) => Vector128.WidenLower(v.AsInt32()).AsByte(); }
internal readonly struct ZeroExtendBytesToWords : IVectorUnary { public static V Apply(V v) => Vector128.WidenLower(v).AsByte(); }
internal readonly struct ZeroExtendBytesToDwords : IVectorUnary { public static V Apply(V v) => Vector128.WidenLower(Vector128.WidenLower(v)).AsByte(); }
internal readonly struct ZeroExtendBytesToQwords : IVectorUnary { public static V Apply(V v) => Vector128.WidenLower(Vector128.WidenLower(Vector128.WidenLower(v))).AsByte(); }
internal readonly struct ZeroExtendWordsToDwords : IVectorUnary { public static V Apply(V v) => Vector128.WidenLower(v.AsUInt16()).AsByte(); }
internal readonly struct ZeroExtendWordsToQwords : IVectorUnary { public static V Apply(V v) => Vector128.WidenLower(Vector128.WidenLower(v.AsUInt16())).AsByte(); }
internal readonly struct ZeroExtendDwordsToQwords : IVectorUnary { public static V Apply(V v) => Vector128.WidenLower(v.AsUInt32()).AsByte(); }
