namespace Vmm.Engine.Software.FloatingPoint;

/// <summary>
/// The power series behind the transcendental instructions, in 128-bit fixed point. Arguments are fractions (0 to 1,
/// unit 2^-128), sums are numbers below 2 (unit 2^-127).
/// </summary>
internal static class FixedPoint
{
    private const int TermLimit = 140;

    public static readonly UInt128 One = UInt128.One << 127;

    /// <summary>1/n as fractions.</summary>
    private static readonly UInt128[] Reciprocals = CreateReciprocals();

    private static UInt128[] CreateReciprocals()
    {
        UInt128[] values = new UInt128[TermLimit * 2 + 2];
        for (int n = 1; n < values.Length; n++)
        {
            values[n] = UInt128.MaxValue / (uint)n;
        }

        return values;
    }

    /// <summary>The upper 128 bits of a product of 256.</summary>
    public static UInt128 MultiplyHigh(UInt128 a, UInt128 b)
    {
        ulong a1 = (ulong)(a >> 64);
        ulong a0 = (ulong)a;
        ulong b1 = (ulong)(b >> 64);
        ulong b0 = (ulong)b;
        ulong lowHigh = Math.BigMul(a0, b0, out _);
        ulong cross1 = Math.BigMul(a1, b0, out ulong cross1Low);
        ulong cross2 = Math.BigMul(a0, b1, out ulong cross2Low);
        ulong high = Math.BigMul(a1, b1, out ulong highLow);
        UInt128 middle = (UInt128)lowHigh + cross1Low + cross2Low;
        return new UInt128(high, highLow) + cross1 + cross2 + (middle >> 64);
    }

    /// <summary>sin(x)/x from z = x², for z below 0.62; never above the true value.</summary>
    public static UInt128 SineOverArgument(UInt128 z)
    {
        UInt128 sum = One;
        for (int n = 17; n >= 1; n--)
        {
            sum = One - MultiplyHigh(Over(z, 2 * n, (2 * n) + 1), sum);
        }

        return sum - 4;
    }

    /// <summary>cos(x) from z = x², for z below 0.62; never above the true value.</summary>
    public static UInt128 Cosine(UInt128 z)
    {
        UInt128 sum = One;
        for (int n = 17; n >= 1; n--)
        {
            sum = One - MultiplyHigh(Over(z, (2 * n) - 1, 2 * n), sum);
        }

        return sum - 4;
    }

    /// <summary>(exp(±x) - 1)/±x for x below 0.7.</summary>
    public static UInt128 ExponentialOverArgument(UInt128 x, bool negative)
    {
        UInt128 sum = One;
        for (int n = 36; n >= 2; n--)
        {
            UInt128 term = MultiplyHigh(MultiplyHigh(x, Reciprocals[n]), sum);
            sum = negative ? One - term : One + term;
        }

        return sum;
    }

    /// <summary>artanh(s)/s from z = s², for z below 0.03.</summary>
    public static UInt128 AreaTangentOverArgument(UInt128 z)
    {
        UInt128 sum = UInt128.Zero;
        for (int n = 26; n >= 1; n--)
        {
            sum = (Reciprocals[(2 * n) + 1] >> 1) + MultiplyHigh(z, sum);
        }

        return One + MultiplyHigh(z, sum);
    }

    /// <summary>1 + 2/3 y + 2·4/(3·5) y² + …: Euler's series for the arc tangent, for y = x²/(1 + x²) of at most a half.</summary>
    public static UInt128 EulerArcTangent(UInt128 y)
    {
        int terms = (int)Math.Min(TermLimit - 1, (128 / Math.Max(1, (int)UInt128.LeadingZeroCount(y))) + 4);
        UInt128 sum = One;
        for (int n = terms; n >= 1; n--)
        {
            // The sum is below 2 and 2n/(2n + 1) · y below 1/2.
            UInt128 factor = y - MultiplyHigh(y, Reciprocals[(2 * n) + 1]);
            sum = One + MultiplyHigh(factor, sum);
        }

        return sum;
    }

    private static UInt128 Over(UInt128 z, int a, int b) => MultiplyHigh(MultiplyHigh(z, Reciprocals[a]), Reciprocals[b]);
}
