using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>SQRT, RCP and RSQRT.</summary>
internal static class FloatUnary
{
    public static void Register(HandlerTable table)
    {
        FloatForms.Unary<SquareRootSingles>(table, Code.Sqrtps_xmm_xmmm128, Code.VEX_Vsqrtps_xmm_xmmm128);
        FloatForms.Unary<SquareRootDoubles>(table, Code.Sqrtpd_xmm_xmmm128, Code.VEX_Vsqrtpd_xmm_xmmm128);
        FloatForms.Scalar<SquareRootSingle, uint>(table, Code.Sqrtss_xmm_xmmm32, Code.VEX_Vsqrtss_xmm_xmm_xmmm32);
        FloatForms.Scalar<SquareRootDouble, ulong>(table, Code.Sqrtsd_xmm_xmmm64, Code.VEX_Vsqrtsd_xmm_xmm_xmmm64);
        FloatForms.Unary<EachApproximation<Reciprocal>>(table, Code.Rcpps_xmm_xmmm128, Code.VEX_Vrcpps_xmm_xmmm128);
        FloatForms.Scalar<LowApproximation<Reciprocal>, uint>(table, Code.Rcpss_xmm_xmmm32, Code.VEX_Vrcpss_xmm_xmm_xmmm32);
        FloatForms.Unary<EachApproximation<ReciprocalSquareRoot>>(table, Code.Rsqrtps_xmm_xmmm128, Code.VEX_Vrsqrtps_xmm_xmmm128);
        FloatForms.Scalar<LowApproximation<ReciprocalSquareRoot>, uint>(table, Code.Rsqrtss_xmm_xmmm32, Code.VEX_Vrsqrtss_xmm_xmm_xmmm32);
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
}
