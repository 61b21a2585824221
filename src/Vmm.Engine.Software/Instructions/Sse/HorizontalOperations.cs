using System.Runtime.Intrinsics;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>Splits pairs of neighbouring lanes of a then b into their even and odd members.</summary>
internal static class NeighbouringLanes
{
    public static (Vector128<short> Even, Vector128<short> Odd) Words(V a, V b) =>
        (Vector128.Narrow(a.AsInt32(), b.AsInt32()), Vector128.Narrow(a.AsInt32() >> 16, b.AsInt32() >> 16));

    public static (Vector128<int> Even, Vector128<int> Odd) Dwords(V a, V b) =>
        (Vector128.Narrow(a.AsInt64(), b.AsInt64()), Vector128.Narrow(a.AsInt64() >> 32, b.AsInt64() >> 32));
}

internal readonly struct HorizontalAddWords : IVectorBinary
{
    public static V Apply(V a, V b)
    {
        (Vector128<short> even, Vector128<short> odd) = NeighbouringLanes.Words(a, b);
        return (even + odd).AsByte();
    }
}

internal readonly struct HorizontalAddWordsSaturated : IVectorBinary
{
    public static V Apply(V a, V b)
    {
        (Vector128<short> even, Vector128<short> odd) = NeighbouringLanes.Words(a, b);
        return Vector128.AddSaturate(even, odd).AsByte();
    }
}

internal readonly struct HorizontalSubtractWords : IVectorBinary
{
    public static V Apply(V a, V b)
    {
        (Vector128<short> even, Vector128<short> odd) = NeighbouringLanes.Words(a, b);
        return (even - odd).AsByte();
    }
}

internal readonly struct HorizontalSubtractWordsSaturated : IVectorBinary
{
    public static V Apply(V a, V b)
    {
        (Vector128<short> even, Vector128<short> odd) = NeighbouringLanes.Words(a, b);
        return Vector128.SubtractSaturate(even, odd).AsByte();
    }
}

internal readonly struct HorizontalAddDwords : IVectorBinary
{
    public static V Apply(V a, V b)
    {
        (Vector128<int> even, Vector128<int> odd) = NeighbouringLanes.Dwords(a, b);
        return (even + odd).AsByte();
    }
}

internal readonly struct HorizontalSubtractDwords : IVectorBinary
{
    public static V Apply(V a, V b)
    {
        (Vector128<int> even, Vector128<int> odd) = NeighbouringLanes.Dwords(a, b);
        return (even - odd).AsByte();
    }
}
