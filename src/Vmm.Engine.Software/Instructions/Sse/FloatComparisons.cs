using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.Instructions.Avx;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Sse;

/// <summary>CMPccPS and kin, COMISS and UCOMISS, MIN and MAX.</summary>
internal static unsafe class FloatComparisons
{
    public static void Register(HandlerTable table)
    {
        FloatForms.Packed<EachSingle<LegacyCompare>>(table, Code.Cmpps_xmm_xmmm128_imm8);
        VexFloatForms.Packed<EachSingle<Compare>>(table, Code.VEX_Vcmpps_xmm_xmm_xmmm128_imm8);
        FloatForms.Packed<EachDouble<LegacyCompare>>(table, Code.Cmppd_xmm_xmmm128_imm8);
        VexFloatForms.Packed<EachDouble<Compare>>(table, Code.VEX_Vcmppd_xmm_xmm_xmmm128_imm8);
        FloatForms.Scalar<LowSingle<LegacyCompare>, uint>(table, Code.Cmpss_xmm_xmmm32_imm8);
        VexFloatForms.Scalar<LowSingle<Compare>, uint>(table, Code.VEX_Vcmpss_xmm_xmm_xmmm32_imm8);
        FloatForms.Scalar<LowDouble<LegacyCompare>, ulong>(table, Code.Cmpsd_xmm_xmmm64_imm8);
        VexFloatForms.Scalar<LowDouble<Compare>, ulong>(table, Code.VEX_Vcmpsd_xmm_xmm_xmmm64_imm8);
        FloatForms.Packed<EachSingle<Minimum>>(table, Code.Minps_xmm_xmmm128, Code.VEX_Vminps_xmm_xmm_xmmm128);
        FloatForms.Packed<EachDouble<Minimum>>(table, Code.Minpd_xmm_xmmm128, Code.VEX_Vminpd_xmm_xmm_xmmm128);
        FloatForms.Scalar<LowSingle<Minimum>, uint>(table, Code.Minss_xmm_xmmm32, Code.VEX_Vminss_xmm_xmm_xmmm32);
        FloatForms.Scalar<LowDouble<Minimum>, ulong>(table, Code.Minsd_xmm_xmmm64, Code.VEX_Vminsd_xmm_xmm_xmmm64);
        FloatForms.Packed<EachSingle<Maximum>>(table, Code.Maxps_xmm_xmmm128, Code.VEX_Vmaxps_xmm_xmm_xmmm128);
        FloatForms.Packed<EachDouble<Maximum>>(table, Code.Maxpd_xmm_xmmm128, Code.VEX_Vmaxpd_xmm_xmm_xmmm128);
        FloatForms.Scalar<LowSingle<Maximum>, uint>(table, Code.Maxss_xmm_xmmm32, Code.VEX_Vmaxss_xmm_xmm_xmmm32);
        FloatForms.Scalar<LowDouble<Maximum>, ulong>(table, Code.Maxsd_xmm_xmmm64, Code.VEX_Vmaxsd_xmm_xmm_xmmm64);
        foreach (Code code in (ReadOnlySpan<Code>)[Code.Comiss_xmm_xmmm32, Code.VEX_Vcomiss_xmm_xmmm32])
        {
            table.Set(code, &OrderedSingleRegister, &OrderedSingleMemory);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Ucomiss_xmm_xmmm32, Code.VEX_Vucomiss_xmm_xmmm32])
        {
            table.Set(code, &UnorderedSingleRegister, &UnorderedSingleMemory);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Comisd_xmm_xmmm64, Code.VEX_Vcomisd_xmm_xmmm64])
        {
            table.Set(code, &OrderedDoubleRegister, &OrderedDoubleMemory);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Ucomisd_xmm_xmmm64, Code.VEX_Vucomisd_xmm_xmmm64])
        {
            table.Set(code, &UnorderedDoubleRegister, &UnorderedDoubleMemory);
        }
    }

    /// <summary>Chooses a result from two unpacked numbers: all ones, zero, or one of the operands.</summary>
    private interface IChoice
    {
        static abstract Choice Choose(ref FloatEnvironment environment, Unpacked a, Unpacked b, byte immediate);
    }

    private enum Choice
    {
        Zeros,
        Ones,
        First,
        Second,
    }

    /// <summary>Legacy forms have the first eight predicates, by the lowest three bits.</summary>
    private readonly struct LegacyCompare : IChoice
    {
        public static Choice Choose(ref FloatEnvironment environment, Unpacked a, Unpacked b, byte immediate) =>
            Compare.Choose(ref environment, a, b, (byte)(immediate & 7));
    }

    /// <summary>The 32 predicates of VEX forms (SDM Vol. 2A CMPPD, table 3-1).</summary>
    private readonly struct Compare : IChoice
    {
        public static Choice Choose(ref FloatEnvironment environment, Unpacked a, Unpacked b, byte immediate)
        {
            int predicate = immediate & 31;
            bool signalsQuiet = ((SignalingPredicates >> (predicate & 15)) & 1) != (predicate >> 4);
            int relation = !Order(ref environment, a, b, signalsQuiet, out int order) ? Unordered : order < 0 ? Less : order == 0 ? Equal : Greater;
            return (Relations[predicate & 15] & relation) != 0 ? Choice.Ones : Choice.Zeros;
        }

        private const int Less = 1;
        private const int Equal = 2;
        private const int Greater = 4;
        private const int Unordered = 8;

        // LT, LE, NLT, NLE, NGE, NGT, GE and GT signal quiet NaNs; predicates 16 to 31 are the same with that reversed.
        private const int SignalingPredicates = 0b0110_0110_0110_0110;

        // For which relations EQ, LT, LE, UNORD, NEQ, NLT, NLE, ORD, EQ_UQ, NGE, NGT, FALSE, NEQ_OQ, GE, GT and TRUE hold.
        private static ReadOnlySpan<byte> Relations => [2, 1, 3, 8, 13, 14, 12, 7, 10, 9, 11, 0, 5, 6, 4, 15];
    }

    // MIN and MAX return the second operand when either is a NaN or both are zeros (SDM Vol. 2A MINPS).
    private readonly struct Minimum : IChoice
    {
        public static Choice Choose(ref FloatEnvironment environment, Unpacked a, Unpacked b, byte immediate) =>
            Order(ref environment, a, b, signalsQuiet: true, out int order) && order < 0 ? Choice.First : Choice.Second;
    }

    private readonly struct Maximum : IChoice
    {
        public static Choice Choose(ref FloatEnvironment environment, Unpacked a, Unpacked b, byte immediate) =>
            Order(ref environment, a, b, signalsQuiet: true, out int order) && order > 0 ? Choice.First : Choice.Second;
    }

    /// <summary>Compares; false when a NaN is involved. Raises invalid and denormal.</summary>
    private static bool Order(ref FloatEnvironment environment, Unpacked a, Unpacked b, bool signalsQuiet, out int order)
    {
        order = 0;
        if (a.IsNaN || b.IsNaN)
        {
            if (signalsQuiet || a.Class == FloatClass.SignalingNaN || b.Class == FloatClass.SignalingNaN)
            {
                environment.Raised |= FloatExceptions.Invalid;
            }

            return false;
        }

        if (a.Class == FloatClass.Denormal || b.Class == FloatClass.Denormal)
        {
            environment.Raised |= FloatExceptions.Denormal;
        }

        order = SoftFloat.Compare(a, b);
        return true;
    }

    private static uint Single<T>(ref FloatEnvironment environment, uint a, uint b, byte immediate) where T : struct, IChoice
    {
        // With DAZ the operand that is returned is the zero that it counts as.
        Unpacked x = SimdArithmetic.Operand(ref environment, Unpacked.FromSingle(a));
        Unpacked y = SimdArithmetic.Operand(ref environment, Unpacked.FromSingle(b));
        return T.Choose(ref environment, x, y, immediate) switch
        {
            Choice.Zeros => 0,
            Choice.Ones => uint.MaxValue,
            Choice.First => x.IsZero ? x.ToSingle() : a,
            _ => y.IsZero ? y.ToSingle() : b,
        };
    }

    private static ulong Double<T>(ref FloatEnvironment environment, ulong a, ulong b, byte immediate) where T : struct, IChoice
    {
        Unpacked x = SimdArithmetic.Operand(ref environment, Unpacked.FromDouble(a));
        Unpacked y = SimdArithmetic.Operand(ref environment, Unpacked.FromDouble(b));
        return T.Choose(ref environment, x, y, immediate) switch
        {
            Choice.Zeros => 0,
            Choice.Ones => ulong.MaxValue,
            Choice.First => x.IsZero ? x.ToDouble() : a,
            _ => y.IsZero ? y.ToDouble() : b,
        };
    }

    private readonly struct EachSingle<T> : IFloatVector where T : struct, IChoice
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate)
        {
            Vector128<uint> result = default;
            for (int n = 0; n < 4; n++)
            {
                result = result.WithElement(n, Single<T>(ref environment, a.AsUInt32().GetElement(n), b.AsUInt32().GetElement(n), immediate));
            }

            return result.AsByte();
        }
    }

    private readonly struct EachDouble<T> : IFloatVector where T : struct, IChoice
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            Vector128.Create(
                Double<T>(ref environment, a.AsUInt64().GetElement(0), b.AsUInt64().GetElement(0), immediate),
                Double<T>(ref environment, a.AsUInt64().GetElement(1), b.AsUInt64().GetElement(1), immediate)).AsByte();
    }

    private readonly struct LowSingle<T> : IFloatVector where T : struct, IChoice
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            a.AsUInt32().WithElement(0, Single<T>(ref environment, a.AsUInt32().ToScalar(), b.AsUInt32().ToScalar(), immediate)).AsByte();
    }

    private readonly struct LowDouble<T> : IFloatVector where T : struct, IChoice
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            a.AsUInt64().WithElement(0, Double<T>(ref environment, a.AsUInt64().ToScalar(), b.AsUInt64().ToScalar(), immediate)).AsByte();
    }

    private static Outcome OrderedSingleRegister(CpuState* s, Instruction* i) => CompareSingle(s, i, Operands.Register<uint>(s, i->Source), true);

    private static Outcome UnorderedSingleRegister(CpuState* s, Instruction* i) => CompareSingle(s, i, Operands.Register<uint>(s, i->Source), false);

    private static Outcome OrderedSingleMemory(CpuState* s, Instruction* i) =>
        Operands.LoadOperand(s, i, out uint b) ? CompareSingle(s, i, b, true) : SlowAccess.Failure(s);

    private static Outcome UnorderedSingleMemory(CpuState* s, Instruction* i) =>
        Operands.LoadOperand(s, i, out uint b) ? CompareSingle(s, i, b, false) : SlowAccess.Failure(s);

    private static Outcome OrderedDoubleRegister(CpuState* s, Instruction* i) => CompareDouble(s, i, Operands.Register<ulong>(s, i->Source), true);

    private static Outcome UnorderedDoubleRegister(CpuState* s, Instruction* i) => CompareDouble(s, i, Operands.Register<ulong>(s, i->Source), false);

    private static Outcome OrderedDoubleMemory(CpuState* s, Instruction* i) =>
        Operands.LoadOperand(s, i, out ulong b) ? CompareDouble(s, i, b, true) : SlowAccess.Failure(s);

    private static Outcome UnorderedDoubleMemory(CpuState* s, Instruction* i) =>
        Operands.LoadOperand(s, i, out ulong b) ? CompareDouble(s, i, b, false) : SlowAccess.Failure(s);

    private static Outcome CompareSingle(CpuState* s, Instruction* i, uint b, bool signalsQuiet) =>
        SetFlags(s, Unpacked.FromSingle(Operands.Register<uint>(s, i->Destination)), Unpacked.FromSingle(b), signalsQuiet);

    private static Outcome CompareDouble(CpuState* s, Instruction* i, ulong b, bool signalsQuiet) =>
        SetFlags(s, Unpacked.FromDouble(Operands.Register<ulong>(s, i->Destination)), Unpacked.FromDouble(b), signalsQuiet);

    /// <summary>ZF, PF and CF by the order; the other arithmetic flags clear (SDM Vol. 2A COMISD).</summary>
    private static Outcome SetFlags(CpuState* s, Unpacked a, Unpacked b, bool signalsQuiet)
    {
        FloatEnvironment environment = FloatEnvironment.FromMxcsr(s->Mxcsr);
        a = SimdArithmetic.Operand(ref environment, a);
        b = SimdArithmetic.Operand(ref environment, b);
        bool ordered = Order(ref environment, a, b, signalsQuiet, out int order);
        if (!SimdExceptions.Record(s, environment))
        {
            return SimdExceptions.Raise(s);
        }

        ulong flags = !ordered
            ? ArithmeticFlags.Zero | ArithmeticFlags.Parity | ArithmeticFlags.Carry
            : order < 0 ? ArithmeticFlags.Carry : order == 0 ? ArithmeticFlags.Zero : 0;
        ArithmeticFlags.Write(s, flags);
        return Outcome.Next;
    }
}
