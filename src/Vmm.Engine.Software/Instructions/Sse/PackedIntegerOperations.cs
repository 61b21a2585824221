using System.Runtime.Intrinsics;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Sse;

// Operations on lanes. The same code serves MMX: a 64-bit operand is the lower half, the upper half is dropped.

internal readonly struct AddBytes : IVectorBinary { public static V Apply(V a, V b) => a + b; }
internal readonly struct AddWords : IVectorBinary { public static V Apply(V a, V b) => (a.AsUInt16() + b.AsUInt16()).AsByte(); }
internal readonly struct AddDwords : IVectorBinary { public static V Apply(V a, V b) => (a.AsUInt32() + b.AsUInt32()).AsByte(); }
internal readonly struct AddQwords : IVectorBinary { public static V Apply(V a, V b) => (a.AsUInt64() + b.AsUInt64()).AsByte(); }
internal readonly struct SubtractBytes : IVectorBinary { public static V Apply(V a, V b) => a - b; }
internal readonly struct SubtractWords : IVectorBinary { public static V Apply(V a, V b) => (a.AsUInt16() - b.AsUInt16()).AsByte(); }
internal readonly struct SubtractDwords : IVectorBinary { public static V Apply(V a, V b) => (a.AsUInt32() - b.AsUInt32()).AsByte(); }
internal readonly struct SubtractQwords : IVectorBinary { public static V Apply(V a, V b) => (a.AsUInt64() - b.AsUInt64()).AsByte(); }
internal readonly struct AddSignedBytesSaturated : IVectorBinary { public static V Apply(V a, V b) => Vector128.AddSaturate(a.AsSByte(), b.AsSByte()).AsByte(); }
internal readonly struct AddSignedWordsSaturated : IVectorBinary { public static V Apply(V a, V b) => Vector128.AddSaturate(a.AsInt16(), b.AsInt16()).AsByte(); }
internal readonly struct AddUnsignedBytesSaturated : IVectorBinary { public static V Apply(V a, V b) => Vector128.AddSaturate(a, b); }
internal readonly struct AddUnsignedWordsSaturated : IVectorBinary { public static V Apply(V a, V b) => Vector128.AddSaturate(a.AsUInt16(), b.AsUInt16()).AsByte(); }
internal readonly struct SubtractSignedBytesSaturated : IVectorBinary { public static V Apply(V a, V b) => Vector128.SubtractSaturate(a.AsSByte(), b.AsSByte()).AsByte(); }
internal readonly struct SubtractSignedWordsSaturated : IVectorBinary { public static V Apply(V a, V b) => Vector128.SubtractSaturate(a.AsInt16(), b.AsInt16()).AsByte(); }
internal readonly struct SubtractUnsignedBytesSaturated : IVectorBinary { public static V Apply(V a, V b) => Vector128.SubtractSaturate(a, b); }
internal readonly struct SubtractUnsignedWordsSaturated : IVectorBinary { public static V Apply(V a, V b) => Vector128.SubtractSaturate(a.AsUInt16(), b.AsUInt16()).AsByte(); }

internal readonly struct And : IVectorBinary { public static V Apply(V a, V b) => a & b; }
internal readonly struct AndNot : IVectorBinary { public static V Apply(V a, V b) => ~a & b; }
internal readonly struct Or : IVectorBinary { public static V Apply(V a, V b) => a | b; }
internal readonly struct Xor : IVectorBinary { public static V Apply(V a, V b) => a ^ b; }

internal readonly struct EqualBytes : IVectorBinary { public static V Apply(V a, V b) => Vector128.Equals(a, b); }
internal readonly struct EqualWords : IVectorBinary { public static V Apply(V a, V b) => Vector128.Equals(a.AsUInt16(), b.AsUInt16()).AsByte(); }
internal readonly struct EqualDwords : IVectorBinary { public static V Apply(V a, V b) => Vector128.Equals(a.AsUInt32(), b.AsUInt32()).AsByte(); }
internal readonly struct EqualQwords : IVectorBinary { public static V Apply(V a, V b) => Vector128.Equals(a.AsUInt64(), b.AsUInt64()).AsByte(); }
internal readonly struct GreaterBytes : IVectorBinary { public static V Apply(V a, V b) => Vector128.GreaterThan(a.AsSByte(), b.AsSByte()).AsByte(); }
internal readonly struct GreaterWords : IVectorBinary { public static V Apply(V a, V b) => Vector128.GreaterThan(a.AsInt16(), b.AsInt16()).AsByte(); }
internal readonly struct GreaterDwords : IVectorBinary { public static V Apply(V a, V b) => Vector128.GreaterThan(a.AsInt32(), b.AsInt32()).AsByte(); }
internal readonly struct GreaterQwords : IVectorBinary { public static V Apply(V a, V b) => Vector128.GreaterThan(a.AsInt64(), b.AsInt64()).AsByte(); }

internal readonly struct MinimumUnsignedBytes : IVectorBinary { public static V Apply(V a, V b) => Vector128.Min(a, b); }
internal readonly struct MaximumUnsignedBytes : IVectorBinary { public static V Apply(V a, V b) => Vector128.Max(a, b); }
internal readonly struct MinimumSignedWords : IVectorBinary { public static V Apply(V a, V b) => Vector128.Min(a.AsInt16(), b.AsInt16()).AsByte(); }
internal readonly struct MaximumSignedWords : IVectorBinary { public static V Apply(V a, V b) => Vector128.Max(a.AsInt16(), b.AsInt16()).AsByte(); }
internal readonly struct MinimumSignedBytes : IVectorBinary { public static V Apply(V a, V b) => Vector128.Min(a.AsSByte(), b.AsSByte()).AsByte(); }
internal readonly struct MaximumSignedBytes : IVectorBinary { public static V Apply(V a, V b) => Vector128.Max(a.AsSByte(), b.AsSByte()).AsByte(); }
internal readonly struct MinimumUnsignedWords : IVectorBinary { public static V Apply(V a, V b) => Vector128.Min(a.AsUInt16(), b.AsUInt16()).AsByte(); }
internal readonly struct MaximumUnsignedWords : IVectorBinary { public static V Apply(V a, V b) => Vector128.Max(a.AsUInt16(), b.AsUInt16()).AsByte(); }
internal readonly struct MinimumSignedDwords : IVectorBinary { public static V Apply(V a, V b) => Vector128.Min(a.AsInt32(), b.AsInt32()).AsByte(); }
internal readonly struct MaximumSignedDwords : IVectorBinary { public static V Apply(V a, V b) => Vector128.Max(a.AsInt32(), b.AsInt32()).AsByte(); }
internal readonly struct MinimumUnsignedDwords : IVectorBinary { public static V Apply(V a, V b) => Vector128.Min(a.AsUInt32(), b.AsUInt32()).AsByte(); }
internal readonly struct MaximumUnsignedDwords : IVectorBinary { public static V Apply(V a, V b) => Vector128.Max(a.AsUInt32(), b.AsUInt32()).AsByte(); }

internal readonly struct MultiplyWordsLow : IVectorBinary { public static V Apply(V a, V b) => (a.AsInt16() * b.AsInt16()).AsByte(); }
internal readonly struct MultiplyDwordsLow : IVectorBinary { public static V Apply(V a, V b) => (a.AsInt32() * b.AsInt32()).AsByte(); }

internal readonly struct MultiplyWordsHigh : IVectorBinary
{
    public static V Apply(V a, V b)
    {
        (Vector128<int> a0, Vector128<int> a1) = Vector128.Widen(a.AsInt16());
        (Vector128<int> b0, Vector128<int> b1) = Vector128.Widen(b.AsInt16());
        return Vector128.Narrow((a0 * b0) >> 16, (a1 * b1) >> 16).AsByte();
    }
}

internal readonly struct MultiplyUnsignedWordsHigh : IVectorBinary
{
    public static V Apply(V a, V b)
    {
        (Vector128<uint> a0, Vector128<uint> a1) = Vector128.Widen(a.AsUInt16());
        (Vector128<uint> b0, Vector128<uint> b1) = Vector128.Widen(b.AsUInt16());
        return Vector128.Narrow((a0 * b0) >> 16, (a1 * b1) >> 16).AsByte();
    }
}

/// <summary>PMULHRSW: the product's bits 30:15, rounded.</summary>
internal readonly struct MultiplyWordsRounded : IVectorBinary
{
    public static V Apply(V a, V b)
    {
        (Vector128<int> a0, Vector128<int> a1) = Vector128.Widen(a.AsInt16());
        (Vector128<int> b0, Vector128<int> b1) = Vector128.Widen(b.AsInt16());
        Vector128<int> one = Vector128<int>.One;
        return Vector128.Narrow((((a0 * b0) >> 14) + one) >> 1, (((a1 * b1) >> 14) + one) >> 1).AsByte();
    }
}

/// <summary>PMADDWD.</summary>
internal readonly struct MultiplyAddWords : IVectorBinary
{
    public static V Apply(V a, V b)
    {
        Vector128<int> even = ((a.AsInt32() << 16) >> 16) * ((b.AsInt32() << 16) >> 16);
        Vector128<int> odd = (a.AsInt32() >> 16) * (b.AsInt32() >> 16);
        return (even + odd).AsByte();
    }
}

/// <summary>PMADDUBSW: unsigned bytes of a times signed bytes of b, pairs added with saturation.</summary>
internal readonly struct MultiplyAddBytes : IVectorBinary
{
    public static V Apply(V a, V b)
    {
        Vector128<short> even = (a.AsUInt16() & Vector128.Create((ushort)0xFF)).AsInt16() * ((b.AsInt16() << 8) >> 8);
        Vector128<short> odd = (a.AsUInt16() >>> 8).AsInt16() * (b.AsInt16() >> 8);
        return Vector128.AddSaturate(even, odd).AsByte();
    }
}

/// <summary>PMULUDQ.</summary>
internal readonly struct MultiplyUnsignedDwords : IVectorBinary
{
    public static V Apply(V a, V b)
    {
        Vector128<ulong> mask = Vector128.Create(0xFFFF_FFFFUL);
        return ((a.AsUInt64() & mask) * (b.AsUInt64() & mask)).AsByte();
    }
}

/// <summary>PMULDQ.</summary>
internal readonly struct MultiplySignedDwords : IVectorBinary
{
    public static V Apply(V a, V b) => (((a.AsInt64() << 32) >> 32) * ((b.AsInt64() << 32) >> 32)).AsByte();
}

/// <summary>PAVGB.</summary>
internal readonly struct AverageBytes : IVectorBinary
{
    public static V Apply(V a, V b) => (a | b) - ((a ^ b) >>> 1);
}

/// <summary>PAVGW.</summary>
internal readonly struct AverageWords : IVectorBinary
{
    public static V Apply(V a, V b) =>
        ((a | b).AsUInt16() - ((a ^ b).AsUInt16() >>> 1)).AsByte();
}

/// <summary>PSADBW.</summary>
internal readonly struct SumOfAbsoluteDifferences : IVectorBinary
{
    public static V Apply(V a, V b)
    {
        V difference = Vector128.Max(a, b) - Vector128.Min(a, b);
        (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(difference);
        return Vector128.Create((ulong)Vector128.Sum(low), Vector128.Sum(high)).AsByte();
    }
}

internal readonly struct SignBytes : IVectorBinary
{
    public static V Apply(V a, V b)
    {
        Vector128<sbyte> x = a.AsSByte();
        Vector128<sbyte> y = b.AsSByte();
        return Vector128.ConditionalSelect(Vector128.LessThan(y, default), -x, x & ~Vector128.Equals(y, default)).AsByte();
    }
}

internal readonly struct SignWords : IVectorBinary
{
    public static V Apply(V a, V b)
    {
        Vector128<short> x = a.AsInt16();
        Vector128<short> y = b.AsInt16();
        return Vector128.ConditionalSelect(Vector128.LessThan(y, default), -x, x & ~Vector128.Equals(y, default)).AsByte();
    }
}

internal readonly struct SignDwords : IVectorBinary
{
    public static V Apply(V a, V b)
    {
        Vector128<int> x = a.AsInt32();
        Vector128<int> y = b.AsInt32();
        return Vector128.ConditionalSelect(Vector128.LessThan(y, default), -x, x & ~Vector128.Equals(y, default)).AsByte();
    }
}

internal readonly struct AbsoluteBytes : IVectorUnary
{
    public static V Apply(V v) => Vector128.ConditionalSelect(Vector128.LessThan(v.AsSByte(), default), -v.AsSByte(), v.AsSByte()).AsByte();
}

internal readonly struct AbsoluteWords : IVectorUnary
{
    public static V Apply(V v) => Vector128.ConditionalSelect(Vector128.LessThan(v.AsInt16(), default), -v.AsInt16(), v.AsInt16()).AsByte();
}

internal readonly struct AbsoluteDwords : IVectorUnary
{
    public static V Apply(V v) => Vector128.ConditionalSelect(Vector128.LessThan(v.AsInt32(), default), -v.AsInt32(), v.AsInt32()).AsByte();
}

/// <summary>PHMINPOSUW.</summary>
internal readonly struct HorizontalMinimum : IVectorUnary
{
    public static V Apply(V v)
    {
        Vector128<ushort> words = v.AsUInt16();
        int position = 0;
        for (int n = 1; n < 8; n++)
        {
            if (words.GetElement(n) < words.GetElement(position))
            {
                position = n;
            }
        }

        return Vector128.CreateScalar(words.GetElement(position) | ((ulong)position << 16)).AsByte();
    }
}
