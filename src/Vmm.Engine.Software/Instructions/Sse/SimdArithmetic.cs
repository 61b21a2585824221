using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Vmm.Engine.Software.FloatingPoint;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>An operation of two floating-point numbers, as the host computes it and as <see cref="SoftFloat"/> does.</summary>
internal interface IFloatBinary
{
    static abstract Vector128<float> Host(Vector128<float> a, Vector128<float> b);

    static abstract Vector128<double> Host(Vector128<double> a, Vector128<double> b);

    static abstract Unpacked Soft(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b);

    /// <summary>Whether a zero result of ordinary operands is exact (sums) or may hide an underflow (products).</summary>
    static abstract bool ZeroIsExact { get; }
}

internal readonly struct FloatAdd : IFloatBinary
{
    public static bool ZeroIsExact => true;

    public static Vector128<float> Host(Vector128<float> a, Vector128<float> b) => a + b;

    public static Vector128<double> Host(Vector128<double> a, Vector128<double> b) => a + b;

    public static Unpacked Soft(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b) =>
        SoftFloat.Add(ref environment, format, a, b, out _);
}

internal readonly struct FloatSubtract : IFloatBinary
{
    public static bool ZeroIsExact => true;

    public static Vector128<float> Host(Vector128<float> a, Vector128<float> b) => a - b;

    public static Vector128<double> Host(Vector128<double> a, Vector128<double> b) => a - b;

    public static Unpacked Soft(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b) =>
        SoftFloat.Add(ref environment, format, a, b.WithSign(!b.Sign), out _);
}

internal readonly struct FloatMultiply : IFloatBinary
{
    public static bool ZeroIsExact => false;

    public static Vector128<float> Host(Vector128<float> a, Vector128<float> b) => a * b;

    public static Vector128<double> Host(Vector128<double> a, Vector128<double> b) => a * b;

    public static Unpacked Soft(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b) =>
        SoftFloat.Multiply(ref environment, format, a, b, out _);
}

internal readonly struct FloatDivide : IFloatBinary
{
    public static bool ZeroIsExact => false;

    public static Vector128<float> Host(Vector128<float> a, Vector128<float> b) => a / b;

    public static Vector128<double> Host(Vector128<double> a, Vector128<double> b) => a / b;

    public static Unpacked Soft(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b) =>
        SoftFloat.Divide(ref environment, format, a, b, out _);
}

/// <summary>Binary arithmetic on single numbers by SSE's rules for NaNs and denormals (SDM Vol. 1 4.8.3.5, 11.5.2).</summary>
internal static class SimdArithmetic
{
    public static uint Single<T>(ref FloatEnvironment environment, uint a, uint b) where T : struct, IFloatBinary
    {
        Unpacked x = Operand(ref environment, Unpacked.FromSingle(a));
        Unpacked y = Operand(ref environment, Unpacked.FromSingle(b));
        return Binary<T>(ref environment, FloatFormat.Single, x, y).ToSingle();
    }

    public static ulong Double<T>(ref FloatEnvironment environment, ulong a, ulong b) where T : struct, IFloatBinary
    {
        Unpacked x = Operand(ref environment, Unpacked.FromDouble(a));
        Unpacked y = Operand(ref environment, Unpacked.FromDouble(b));
        return Binary<T>(ref environment, FloatFormat.Double, x, y).ToDouble();
    }

    private static Unpacked Binary<T>(ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b) where T : struct, IFloatBinary
    {
        if (a.IsNaN || b.IsNaN)
        {
            return ChooseNaN(ref environment, a, b);
        }

        FloatExceptions before = environment.Raised;
        environment.Raised = 0;
        Unpacked result = T.Soft(ref environment, format, a, b);
        bool denormal = a.Class == FloatClass.Denormal || b.Class == FloatClass.Denormal;
        if (denormal && (environment.Raised & (FloatExceptions.Invalid | FloatExceptions.DivideByZero)) == 0)
        {
            environment.Raised |= FloatExceptions.Denormal;
            if ((environment.Masked & FloatExceptions.Denormal) == 0)
            {
                environment.Raised = FloatExceptions.Denormal;
            }
        }

        environment.Raised |= before;
        return result;
    }

    /// <summary>Denormals-are-zeros: a denormal operand counts as a zero of its sign and raises nothing.</summary>
    public static Unpacked Operand(ref FloatEnvironment environment, Unpacked a) =>
        environment.DenormalsAreZero && a.Class == FloatClass.Denormal ? new(FloatClass.Zero, a.Sign, 0, 0) : a;

    /// <summary>The first operand's NaN, else the second's, made quiet; a signaling one raises invalid.</summary>
    public static Unpacked ChooseNaN(ref FloatEnvironment environment, Unpacked a, Unpacked b)
    {
        if (a.Class == FloatClass.SignalingNaN || b.Class == FloatClass.SignalingNaN)
        {
            environment.Raised |= FloatExceptions.Invalid;
        }

        return (a.IsNaN ? a : b).Quieted();
    }
}

/// <summary>Tests for numbers that raise nothing but precision: normal, or zero where that is harmless.</summary>
internal static class OrdinaryNumbers
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool All(Vector128<float> a, Vector128<float> b, Vector128<float> result, bool zeroIsExact)
    {
        Vector128<uint> resultOk = AboveLeastNormal(result);
        if (zeroIsExact)
        {
            resultOk |= Zero(result);
        }

        Vector128<uint> ok = (Normal(a) | Zero(a)) & (Normal(b) | Zero(b)) & (resultOk | (Zero(a) & Zero(result)));
        return ok == Vector128<uint>.AllBitsSet;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool All(Vector128<double> a, Vector128<double> b, Vector128<double> result, bool zeroIsExact)
    {
        Vector128<ulong> resultOk = AboveLeastNormal(result);
        if (zeroIsExact)
        {
            resultOk |= Zero(result);
        }

        Vector128<ulong> ok = (Normal(a) | Zero(a)) & (Normal(b) | Zero(b)) & (resultOk | (Zero(a) & Zero(result)));
        return ok == Vector128<ulong>.AllBitsSet;
    }

    /// <summary>The same for fused operations: a zero is harmless where a factor is zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool AllFused(Vector128<float> a, Vector128<float> b, Vector128<float> c, Vector128<float> result)
    {
        Vector128<uint> factorsOk = (Normal(a) | Zero(a)) & (Normal(b) | Zero(b));
        Vector128<uint> resultOk = AboveLeastNormal(result) | ((Zero(a) | Zero(b)) & Zero(result));
        return (factorsOk & (Normal(c) | Zero(c)) & resultOk) == Vector128<uint>.AllBitsSet;
    }

    /// <inheritdoc cref="AllFused(Vector128{float}, Vector128{float}, Vector128{float}, Vector128{float})"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool AllFused(Vector128<double> a, Vector128<double> b, Vector128<double> c, Vector128<double> result)
    {
        Vector128<ulong> factorsOk = (Normal(a) | Zero(a)) & (Normal(b) | Zero(b));
        Vector128<ulong> resultOk = AboveLeastNormal(result) | ((Zero(a) | Zero(b)) & Zero(result));
        return (factorsOk & (Normal(c) | Zero(c)) & resultOk) == Vector128<ulong>.AllBitsSet;
    }

    // Exponent neither all zeros nor all ones: magnitude minus the least normal is below the count of normals.
    private static Vector128<uint> Normal(Vector128<float> v) =>
        Vector128.LessThan((v.AsUInt32() & Vector128.Create(0x7FFF_FFFFu)) - Vector128.Create(0x0080_0000u), Vector128.Create(0x7F00_0000u));

    // What was rounded to the least normal may have been tiny before, which is underflow.
    private static Vector128<uint> AboveLeastNormal(Vector128<float> v) =>
        Vector128.LessThan((v.AsUInt32() & Vector128.Create(0x7FFF_FFFFu)) - Vector128.Create(0x0080_0001u), Vector128.Create(0x7EFF_FFFFu));

    private static Vector128<ulong> AboveLeastNormal(Vector128<double> v) =>
        Vector128.LessThan((v.AsUInt64() & Vector128.Create(0x7FFF_FFFF_FFFF_FFFFUL)) - Vector128.Create(0x0010_0000_0000_0001UL), Vector128.Create(0x7FDF_FFFF_FFFF_FFFFUL));

    private static Vector128<uint> Zero(Vector128<float> v) => Vector128.Equals(v.AsUInt32() << 1, default);

    private static Vector128<ulong> Normal(Vector128<double> v) =>
        Vector128.LessThan((v.AsUInt64() & Vector128.Create(0x7FFF_FFFF_FFFF_FFFFUL)) - Vector128.Create(0x0010_0000_0000_0000UL), Vector128.Create(0x7FE0_0000_0000_0000UL));

    private static Vector128<ulong> Zero(Vector128<double> v) => Vector128.Equals(v.AsUInt64() << 1, default);
}
