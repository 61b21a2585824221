using System.Runtime.Intrinsics;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>A lane shift by one count for all lanes: counts of the lane width or more give zero, or the sign.</summary>
internal interface IVectorShift
{
    static abstract V Apply(V value, ulong count);
}

internal readonly struct ShiftWordsLeft : IVectorShift { public static V Apply(V v, ulong n) => n > 15 ? default : (v.AsUInt16() << (int)n).AsByte(); }
internal readonly struct ShiftDwordsLeft : IVectorShift { public static V Apply(V v, ulong n) => n > 31 ? default : (v.AsUInt32() << (int)n).AsByte(); }
internal readonly struct ShiftQwordsLeft : IVectorShift { public static V Apply(V v, ulong n) => n > 63 ? default : (v.AsUInt64() << (int)n).AsByte(); }
internal readonly struct ShiftWordsRight : IVectorShift { public static V Apply(V v, ulong n) => n > 15 ? default : (v.AsUInt16() >>> (int)n).AsByte(); }
internal readonly struct ShiftDwordsRight : IVectorShift { public static V Apply(V v, ulong n) => n > 31 ? default : (v.AsUInt32() >>> (int)n).AsByte(); }
internal readonly struct ShiftQwordsRight : IVectorShift { public static V Apply(V v, ulong n) => n > 63 ? default : (v.AsUInt64() >>> (int)n).AsByte(); }
internal readonly struct ShiftWordsArithmetic : IVectorShift { public static V Apply(V v, ulong n) => (v.AsInt16() >> (int)Math.Min(n, 15)).AsByte(); }
internal readonly struct ShiftDwordsArithmetic : IVectorShift { public static V Apply(V v, ulong n) => (v.AsInt32() >> (int)Math.Min(n, 31)).AsByte(); }

/// <summary>PSLLDQ: the whole register by bytes.</summary>
internal readonly struct ShiftBytesLeft : IVectorShift
{
    public static V Apply(V v, ulong n) => n > 15 ? default : (v.AsUInt128() << (int)(n * 8)).AsVector();
}

/// <summary>PSRLDQ.</summary>
internal readonly struct ShiftBytesRight : IVectorShift
{
    public static V Apply(V v, ulong n) => n > 15 ? default : (v.AsUInt128() >>> (int)(n * 8)).AsVector();
}

/// <summary>The register form takes its count from the lower 64 bits of the source.</summary>
internal readonly struct ByCount<TShift> : IVectorBinary where TShift : struct, IVectorShift
{
    public static V Apply(V a, V b) => TShift.Apply(a, b.AsUInt64().ToScalar());
}

/// <summary>A vector register as one number.</summary>
internal static class VectorAsNumber
{
    public static UInt128 AsUInt128(this V v) => new(v.AsUInt64().GetElement(1), v.AsUInt64().GetElement(0));

    public static V AsVector(this UInt128 n) => Vector128.Create((ulong)n, (ulong)(n >> 64)).AsByte();
}
