using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.Instructions.Sse;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Avx;

/// <summary>The operands of ±(a·b) ± c.</summary>
internal readonly record struct Triple(V A, V B, V C);

/// <summary>The signs of ±(a·b) ± c.</summary>
internal interface IFusedOperation
{
    static abstract bool NegatesProduct { get; }

    static abstract bool NegatesEvenAddends { get; }

    static abstract bool NegatesOddAddends { get; }
}

internal readonly struct MultiplyAdd : IFusedOperation
{
    public static bool NegatesProduct => false;

    public static bool NegatesEvenAddends => false;

    public static bool NegatesOddAddends => false;
}

internal readonly struct MultiplySubtract : IFusedOperation
{
    public static bool NegatesProduct => false;

    public static bool NegatesEvenAddends => true;

    public static bool NegatesOddAddends => true;
}

internal readonly struct NegativeMultiplyAdd : IFusedOperation
{
    public static bool NegatesProduct => true;

    public static bool NegatesEvenAddends => false;

    public static bool NegatesOddAddends => false;
}

internal readonly struct NegativeMultiplySubtract : IFusedOperation
{
    public static bool NegatesProduct => true;

    public static bool NegatesEvenAddends => true;

    public static bool NegatesOddAddends => true;
}

/// <summary>VFMADDSUB: even elements subtract, odd ones add.</summary>
internal readonly struct MultiplyAddSubtract : IFusedOperation
{
    public static bool NegatesProduct => false;

    public static bool NegatesEvenAddends => true;

    public static bool NegatesOddAddends => false;
}

/// <summary>VFMSUBADD: even elements add, odd ones subtract.</summary>
internal readonly struct MultiplySubtractAdd : IFusedOperation
{
    public static bool NegatesProduct => false;

    public static bool NegatesEvenAddends => false;

    public static bool NegatesOddAddends => true;
}

/// <summary>Fused operations on 128 bits of elements, encoded in uint or ulong.</summary>
internal static class FusedArithmetic
{
    /// <summary>The host's result, where it is exact and raises nothing new (<see cref="SimdExceptions.HostArithmeticServes"/>).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryHost<T, TElement>(in Triple operands, out V result)
        where T : struct, IFusedOperation
        where TElement : unmanaged
    {
        if (Unsafe.SizeOf<TElement>() == 4)
        {
            Vector128<float> a = operands.A.AsSingle();
            Vector128<float> sum = Vector128.FusedMultiplyAdd(T.NegatesProduct ? -a : a, operands.B.AsSingle(), Addend<T>(operands.C.AsSingle()));
            result = sum.AsByte();
            return OrdinaryNumbers.AllFused(a, operands.B.AsSingle(), operands.C.AsSingle(), sum);
        }
        else
        {
            Vector128<double> a = operands.A.AsDouble();
            Vector128<double> sum = Vector128.FusedMultiplyAdd(T.NegatesProduct ? -a : a, operands.B.AsDouble(), Addend<T>(operands.C.AsDouble()));
            result = sum.AsByte();
            return OrdinaryNumbers.AllFused(a, operands.B.AsDouble(), operands.C.AsDouble(), sum);
        }
    }

    /// <summary>Element by element, the lowest <paramref name="count"/> of them.</summary>
    public static V Soft<T, TElement>(ref FloatEnvironment environment, in Triple operands, int count)
        where T : struct, IFusedOperation
        where TElement : unmanaged
    {
        V result = default;
        for (int n = 0; n < count; n++)
        {
            bool negatesAddend = (n & 1) == 0 ? T.NegatesEvenAddends : T.NegatesOddAddends;
            if (Unsafe.SizeOf<TElement>() == 4)
            {
                Unpacked value = Element(
                    ref environment, FloatFormat.Single, Unpacked.FromSingle(operands.A.AsUInt32().GetElement(n)),
                    Unpacked.FromSingle(operands.B.AsUInt32().GetElement(n)), Unpacked.FromSingle(operands.C.AsUInt32().GetElement(n)),
                    T.NegatesProduct, negatesAddend);
                result = result.AsUInt32().WithElement(n, value.ToSingle()).AsByte();
            }
            else
            {
                Unpacked value = Element(
                    ref environment, FloatFormat.Double, Unpacked.FromDouble(operands.A.AsUInt64().GetElement(n)),
                    Unpacked.FromDouble(operands.B.AsUInt64().GetElement(n)), Unpacked.FromDouble(operands.C.AsUInt64().GetElement(n)),
                    T.NegatesProduct, negatesAddend);
                result = result.AsUInt64().WithElement(n, value.ToDouble()).AsByte();
            }
        }

        return result;
    }

    private static Unpacked Element(
        ref FloatEnvironment environment, FloatFormat format, Unpacked a, Unpacked b, Unpacked c, bool negatesProduct, bool negatesAddend)
    {
        a = SimdArithmetic.Operand(ref environment, a);
        b = SimdArithmetic.Operand(ref environment, b);
        c = SimdArithmetic.Operand(ref environment, c);
        if (a.IsNaN || b.IsNaN || c.IsNaN)
        {
            return ChooseNaN(ref environment, a, b, c);
        }

        FloatExceptions before = environment.Raised;
        environment.Raised = 0;
        Unpacked result = FusedMultiplyAdd.Apply(ref environment, format, a, b, negatesAddend ? c.WithSign(!c.Sign) : c, negatesProduct);
        bool denormal = a.Class == FloatClass.Denormal || b.Class == FloatClass.Denormal || c.Class == FloatClass.Denormal;
        if (denormal && (environment.Raised & FloatExceptions.Invalid) == 0)
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

    /// <summary>The first NaN of factors and addend, made quiet; a signaling one raises invalid (SDM Vol. 1 14.5.2).</summary>
    private static Unpacked ChooseNaN(ref FloatEnvironment environment, Unpacked a, Unpacked b, Unpacked c)
    {
        if (a.Class == FloatClass.SignalingNaN || b.Class == FloatClass.SignalingNaN || c.Class == FloatClass.SignalingNaN)
        {
            environment.Raised |= FloatExceptions.Invalid;
        }

        return (a.IsNaN ? a : b.IsNaN ? b : c).Quieted();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Addend<T>(Vector128<float> c) where T : struct, IFusedOperation
    {
        uint even = T.NegatesEvenAddends ? 0x8000_0000 : 0;
        uint odd = T.NegatesOddAddends ? 0x8000_0000 : 0;
        return (c.AsUInt32() ^ Vector128.Create(even, odd, even, odd)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<double> Addend<T>(Vector128<double> c) where T : struct, IFusedOperation
    {
        ulong even = T.NegatesEvenAddends ? 1UL << 63 : 0;
        ulong odd = T.NegatesOddAddends ? 1UL << 63 : 0;
        return (c.AsUInt64() ^ Vector128.Create(even, odd)).AsDouble();
    }
}
