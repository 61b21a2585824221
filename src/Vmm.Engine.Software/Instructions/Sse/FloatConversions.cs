using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>Conversions between formats and integers within vector registers; those with general and MMX registers are <see cref="ScalarConversions"/>.</summary>
internal static unsafe class FloatConversions
{
    public static void Register(HandlerTable table)
    {
        FloatForms.Widening<SinglesToDoubles>(table, Code.Cvtps2pd_xmm_xmmm64, Code.VEX_Vcvtps2pd_xmm_xmmm64);
        FloatForms.Narrowing<DoublesToSingles>(table, Code.Cvtpd2ps_xmm_xmmm128, Code.VEX_Vcvtpd2ps_xmm_xmmm128);
        FloatForms.Scalar<SingleToDouble, uint>(table, Code.Cvtss2sd_xmm_xmmm32, Code.VEX_Vcvtss2sd_xmm_xmm_xmmm32);
        FloatForms.Scalar<DoubleToSingle, ulong>(table, Code.Cvtsd2ss_xmm_xmmm64, Code.VEX_Vcvtsd2ss_xmm_xmm_xmmm64);
        FloatForms.Unary<DwordsToSingles>(table, Code.Cvtdq2ps_xmm_xmmm128, Code.VEX_Vcvtdq2ps_xmm_xmmm128);
        FloatForms.Unary<SinglesToDwords<ByMode>>(table, Code.Cvtps2dq_xmm_xmmm128, Code.VEX_Vcvtps2dq_xmm_xmmm128);
        FloatForms.Unary<SinglesToDwords<Truncating>>(table, Code.Cvttps2dq_xmm_xmmm128, Code.VEX_Vcvttps2dq_xmm_xmmm128);
        FloatForms.Narrowing<DoublesToDwords<Truncating>>(table, Code.Cvttpd2dq_xmm_xmmm128, Code.VEX_Vcvttpd2dq_xmm_xmmm128);
        FloatForms.Narrowing<DoublesToDwords<ByMode>>(table, Code.Cvtpd2dq_xmm_xmmm128, Code.VEX_Vcvtpd2dq_xmm_xmmm128);
        FloatForms.Widening<DwordsToDoubles>(table, Code.Cvtdq2pd_xmm_xmmm64, Code.VEX_Vcvtdq2pd_xmm_xmmm64);
        FloatForms.Unary<RoundSingles>(table, Code.Roundps_xmm_xmmm128_imm8, Code.VEX_Vroundps_xmm_xmmm128_imm8);
        FloatForms.Unary<RoundDoubles>(table, Code.Roundpd_xmm_xmmm128_imm8, Code.VEX_Vroundpd_xmm_xmmm128_imm8);
        FloatForms.Scalar<RoundSingle, uint>(table, Code.Roundss_xmm_xmmm32_imm8, Code.VEX_Vroundss_xmm_xmm_xmmm32_imm8);
        FloatForms.Scalar<RoundDouble, ulong>(table, Code.Roundsd_xmm_xmmm64_imm8, Code.VEX_Vroundsd_xmm_xmm_xmmm64_imm8);
    }

    public static uint NarrowToSingle(ref FloatEnvironment environment, ulong value) =>
        Convert(ref environment, FloatFormat.Single, Unpacked.FromDouble(value)).ToSingle();

    public static ulong WidenToDouble(ref FloatEnvironment environment, uint value) =>
        Convert(ref environment, FloatFormat.Double, Unpacked.FromSingle(value)).ToDouble();

    public static Unpacked Convert(ref FloatEnvironment environment, FloatFormat format, Unpacked value)
    {
        value = SimdArithmetic.Operand(ref environment, value);
        if (value.IsNaN)
        {
            return SimdArithmetic.ChooseNaN(ref environment, value, value);
        }

        if (value.Class == FloatClass.Denormal)
        {
            environment.Raised |= FloatExceptions.Denormal;
        }

        return SoftFloat.Convert(ref environment, format, value, out _);
    }

    /// <summary>Conversion to an integer: denormals raise nothing but precision (SDM Vol. 1 table E-3).</summary>
    public static long ToInteger<TRounding>(ref FloatEnvironment environment, Unpacked value, int bits) where TRounding : struct, IConversionRounding
    {
        RoundingMode mode = environment.Rounding;
        environment.Rounding = TRounding.Choose(mode);
        long result = SoftFloat.ToInteger(ref environment, SimdArithmetic.Operand(ref environment, value), bits, out _);
        environment.Rounding = mode;
        return result;
    }

    private readonly struct SinglesToDoubles : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            Vector128.Create(
                WidenToDouble(ref environment, b.AsUInt32().GetElement(0)),
                WidenToDouble(ref environment, b.AsUInt32().GetElement(1))).AsByte();
    }

    private readonly struct DoublesToSingles : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            Vector128.Create(
                NarrowToSingle(ref environment, b.AsUInt64().GetElement(0)),
                NarrowToSingle(ref environment, b.AsUInt64().GetElement(1)), 0, 0).AsByte();
    }

    private readonly struct SingleToDouble : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            a.AsUInt64().WithElement(0, WidenToDouble(ref environment, b.AsUInt32().ToScalar())).AsByte();
    }

    private readonly struct DoubleToSingle : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            a.AsUInt32().WithElement(0, NarrowToSingle(ref environment, b.AsUInt64().ToScalar())).AsByte();
    }

    private readonly struct DwordsToSingles : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate)
        {
            Vector128<uint> result = default;
            for (int n = 0; n < 4; n++)
            {
                result = result.WithElement(n, SoftFloat.FromInteger(ref environment, FloatFormat.Single, b.AsInt32().GetElement(n), out _).ToSingle());
            }

            return result.AsByte();
        }
    }

    private readonly struct DwordsToDoubles : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            Vector128.Create((double)b.AsInt32().GetElement(0), b.AsInt32().GetElement(1)).AsByte();
    }

    private readonly struct SinglesToDwords<TRounding> : IFloatVector where TRounding : struct, IConversionRounding
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate)
        {
            Vector128<int> result = default;
            for (int n = 0; n < 4; n++)
            {
                result = result.WithElement(n, (int)ToInteger<TRounding>(ref environment, Unpacked.FromSingle(b.AsUInt32().GetElement(n)), 32));
            }

            return result.AsByte();
        }
    }

    private readonly struct DoublesToDwords<TRounding> : IFloatVector where TRounding : struct, IConversionRounding
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            Vector128.Create(
                (int)ToInteger<TRounding>(ref environment, Unpacked.FromDouble(b.AsUInt64().GetElement(0)), 32),
                (int)ToInteger<TRounding>(ref environment, Unpacked.FromDouble(b.AsUInt64().GetElement(1)), 32), 0, 0).AsByte();
    }

    /// <summary>ROUNDPS and kin: bits 1:0 mode, bit 2 takes MXCSR's, bit 3 hides precision (SDM Vol. 2B ROUNDPD).</summary>
    private static Unpacked Round(ref FloatEnvironment environment, Unpacked value, byte immediate)
    {
        value = SimdArithmetic.Operand(ref environment, value);
        if (value.IsNaN)
        {
            return SimdArithmetic.ChooseNaN(ref environment, value, value);
        }

        RoundingMode mode = environment.Rounding;
        if ((immediate & 4) == 0)
        {
            environment.Rounding = (RoundingMode)(immediate & 3);
        }

        Unpacked result = SoftFloat.RoundToIntegral(ref environment, value, (immediate & 8) != 0, out _);
        environment.Rounding = mode;
        return result;
    }

    private readonly struct RoundSingles : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate)
        {
            Vector128<uint> result = default;
            for (int n = 0; n < 4; n++)
            {
                result = result.WithElement(n, Round(ref environment, Unpacked.FromSingle(b.AsUInt32().GetElement(n)), immediate).ToSingle());
            }

            return result.AsByte();
        }
    }

    private readonly struct RoundDoubles : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            Vector128.Create(
                Round(ref environment, Unpacked.FromDouble(b.AsUInt64().GetElement(0)), immediate).ToDouble(),
                Round(ref environment, Unpacked.FromDouble(b.AsUInt64().GetElement(1)), immediate).ToDouble()).AsByte();
    }

    private readonly struct RoundSingle : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            a.AsUInt32().WithElement(0, Round(ref environment, Unpacked.FromSingle(b.AsUInt32().ToScalar()), immediate).ToSingle()).AsByte();
    }

    private readonly struct RoundDouble : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            a.AsUInt64().WithElement(0, Round(ref environment, Unpacked.FromDouble(b.AsUInt64().ToScalar()), immediate).ToDouble()).AsByte();
    }
}

/// <summary>The rounding of a conversion to an integer.</summary>
internal interface IConversionRounding
{
    static abstract RoundingMode Choose(RoundingMode current);
}

/// <summary>As MXCSR says.</summary>
internal readonly struct ByMode : IConversionRounding
{
    public static RoundingMode Choose(RoundingMode current) => current;
}

/// <summary>Toward zero: the CVTT forms.</summary>
internal readonly struct Truncating : IConversionRounding
{
    public static RoundingMode Choose(RoundingMode current) => RoundingMode.TowardZero;
}
