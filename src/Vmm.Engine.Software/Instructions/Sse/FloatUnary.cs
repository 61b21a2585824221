using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>SQRT, RCP, RSQRT and the dot products.</summary>
internal static class FloatUnary
{
    public static void Register(HandlerTable table)
    {
        FloatForms.Packed<SquareRootSingles>(table, Code.Sqrtps_xmm_xmmm128);
        FloatForms.Packed<SquareRootDoubles>(table, Code.Sqrtpd_xmm_xmmm128);
        FloatForms.Narrow<SquareRootSingle, uint>(table, Code.Sqrtss_xmm_xmmm32);
        FloatForms.Narrow<SquareRootDouble, ulong>(table, Code.Sqrtsd_xmm_xmmm64);
        FloatForms.Packed<EachApproximation<Reciprocal>>(table, Code.Rcpps_xmm_xmmm128);
        FloatForms.Narrow<LowApproximation<Reciprocal>, uint>(table, Code.Rcpss_xmm_xmmm32);
        FloatForms.Packed<EachApproximation<ReciprocalSquareRoot>>(table, Code.Rsqrtps_xmm_xmmm128);
        FloatForms.Narrow<LowApproximation<ReciprocalSquareRoot>, uint>(table, Code.Rsqrtss_xmm_xmmm32);
        FloatForms.Packed<DotProductSingles>(table, Code.Dpps_xmm_xmmm128_imm8);
        FloatForms.Packed<DotProductDoubles>(table, Code.Dppd_xmm_xmmm128_imm8);
    }

    private static Unpacked SquareRoot(ref FloatEnvironment environment, FloatFormat format, Unpacked value)
    {
        value = SimdArithmetic.Operand(ref environment, value);
        if (value.IsNaN)
        {
            return SimdArithmetic.ChooseNaN(ref environment, value, value);
        }

        if (value.Class == FloatClass.Denormal && !value.Sign)
        {
            environment.Raised |= FloatExceptions.Denormal;
        }

        return SoftFloat.SquareRoot(ref environment, format, value, out _);
    }

    private static uint SquareRoot(ref FloatEnvironment environment, uint value) =>
        SquareRoot(ref environment, FloatFormat.Single, Unpacked.FromSingle(value)).ToSingle();

    private static ulong SquareRoot(ref FloatEnvironment environment, ulong value) =>
        SquareRoot(ref environment, FloatFormat.Double, Unpacked.FromDouble(value)).ToDouble();

    private readonly struct SquareRootSingles : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate)
        {
            Vector128<uint> result = default;
            for (int n = 0; n < 4; n++)
            {
                result = result.WithElement(n, SquareRoot(ref environment, b.AsUInt32().GetElement(n)));
            }

            return result.AsByte();
        }
    }

    private readonly struct SquareRootDoubles : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            Vector128.Create(
                SquareRoot(ref environment, b.AsUInt64().GetElement(0)),
                SquareRoot(ref environment, b.AsUInt64().GetElement(1))).AsByte();
    }

    private readonly struct SquareRootSingle : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            a.AsUInt32().WithElement(0, SquareRoot(ref environment, b.AsUInt32().ToScalar())).AsByte();
    }

    private readonly struct SquareRootDouble : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            a.AsUInt64().WithElement(0, SquareRoot(ref environment, b.AsUInt64().ToScalar())).AsByte();
    }

    /// <summary>
    /// An approximation with a relative error below 1.5 × 2^-12, which raises nothing (SDM Vol. 2B RCPPS). Ours is the
    /// rounded quotient; denormal operands count as zeros and tiny results are flushed, whatever MXCSR says.
    /// </summary>
    private interface IApproximation
    {
        static abstract float Of(float value);
    }

    private readonly struct Reciprocal : IApproximation
    {
        public static float Of(float value) => 1.0f / value;
    }

    private readonly struct ReciprocalSquareRoot : IApproximation
    {
        public static float Of(float value) => 1.0f / MathF.Sqrt(value);
    }

    private static uint Approximate<T>(uint bits) where T : struct, IApproximation
    {
        Unpacked value = Unpacked.FromSingle(bits);
        if (value.IsNaN)
        {
            return value.Quieted().ToSingle();
        }

        uint operand = value.Class == FloatClass.Denormal ? bits & 0x8000_0000 : bits;
        uint result = BitConverter.SingleToUInt32Bits(T.Of(BitConverter.UInt32BitsToSingle(operand)));
        if (float.IsNaN(BitConverter.UInt32BitsToSingle(result)))
        {
            return Unpacked.Indefinite.ToSingle();
        }

        return (result & 0x7F80_0000) == 0 ? result & 0x8000_0000 : result;
    }

    private readonly struct EachApproximation<T> : IFloatVector where T : struct, IApproximation
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate)
        {
            Vector128<uint> result = default;
            for (int n = 0; n < 4; n++)
            {
                result = result.WithElement(n, Approximate<T>(b.AsUInt32().GetElement(n)));
            }

            return result.AsByte();
        }
    }

    private readonly struct LowApproximation<T> : IFloatVector where T : struct, IApproximation
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            a.AsUInt32().WithElement(0, Approximate<T>(b.AsUInt32().ToScalar())).AsByte();
    }

    /// <summary>DPPS: products chosen by bits 7:4, summed pairwise, stored where bits 3:0 say. Exceptions are those of each operation in turn.</summary>
    private readonly struct DotProductSingles : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate)
        {
            Span<uint> products = stackalloc uint[4];
            for (int n = 0; n < 4; n++)
            {
                products[n] = (immediate & (0x10 << n)) != 0
                    ? SimdArithmetic.Single<FloatMultiply>(ref environment, a.AsUInt32().GetElement(n), b.AsUInt32().GetElement(n))
                    : 0;
            }

            if (!environment.CompleteStage())
            {
                return default;
            }

            uint low = SimdArithmetic.Single<FloatAdd>(ref environment, products[0], products[1]);
            uint high = SimdArithmetic.Single<FloatAdd>(ref environment, products[2], products[3]);
            if (!environment.CompleteStage())
            {
                return default;
            }

            uint sum = SimdArithmetic.Single<FloatAdd>(ref environment, low, high);
            return BlendSingles.Apply(default, Vector128.Create(sum).AsByte(), (byte)(immediate & 15));
        }
    }

    private readonly struct DotProductDoubles : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate)
        {
            ulong low = (immediate & 0x10) != 0
                ? SimdArithmetic.Double<FloatMultiply>(ref environment, a.AsUInt64().GetElement(0), b.AsUInt64().GetElement(0))
                : 0;
            ulong high = (immediate & 0x20) != 0
                ? SimdArithmetic.Double<FloatMultiply>(ref environment, a.AsUInt64().GetElement(1), b.AsUInt64().GetElement(1))
                : 0;
            if (!environment.CompleteStage())
            {
                return default;
            }

            ulong sum = SimdArithmetic.Double<FloatAdd>(ref environment, low, high);
            return BlendDoubles.Apply(default, Vector128.Create(sum).AsByte(), (byte)(immediate & 3));
        }
    }
}
