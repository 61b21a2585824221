using System.Runtime.CompilerServices;
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

/// <summary>ADD, SUB, MUL and DIV, packed and scalar, single and double; ADDSUB and the horizontal forms.</summary>
internal static unsafe class FloatArithmetic
{
    public static void Register(HandlerTable table)
    {
        Set<FloatAdd>(table, Code.Addps_xmm_xmmm128, Code.Addpd_xmm_xmmm128, Code.Addss_xmm_xmmm32, Code.Addsd_xmm_xmmm64);
        Set<FloatSubtract>(table, Code.Subps_xmm_xmmm128, Code.Subpd_xmm_xmmm128, Code.Subss_xmm_xmmm32, Code.Subsd_xmm_xmmm64);
        Set<FloatMultiply>(table, Code.Mulps_xmm_xmmm128, Code.Mulpd_xmm_xmmm128, Code.Mulss_xmm_xmmm32, Code.Mulsd_xmm_xmmm64);
        Set<FloatDivide>(table, Code.Divps_xmm_xmmm128, Code.Divpd_xmm_xmmm128, Code.Divss_xmm_xmmm32, Code.Divsd_xmm_xmmm64);
        VexArithmetic.Set<FloatAdd>(
            table, Code.VEX_Vaddps_xmm_xmm_xmmm128, Code.VEX_Vaddpd_xmm_xmm_xmmm128, Code.VEX_Vaddss_xmm_xmm_xmmm32, Code.VEX_Vaddsd_xmm_xmm_xmmm64);
        VexArithmetic.Set<FloatSubtract>(
            table, Code.VEX_Vsubps_xmm_xmm_xmmm128, Code.VEX_Vsubpd_xmm_xmm_xmmm128, Code.VEX_Vsubss_xmm_xmm_xmmm32, Code.VEX_Vsubsd_xmm_xmm_xmmm64);
        VexArithmetic.Set<FloatMultiply>(
            table, Code.VEX_Vmulps_xmm_xmm_xmmm128, Code.VEX_Vmulpd_xmm_xmm_xmmm128, Code.VEX_Vmulss_xmm_xmm_xmmm32, Code.VEX_Vmulsd_xmm_xmm_xmmm64);
        VexArithmetic.Set<FloatDivide>(
            table, Code.VEX_Vdivps_xmm_xmm_xmmm128, Code.VEX_Vdivpd_xmm_xmm_xmmm128, Code.VEX_Vdivss_xmm_xmm_xmmm32, Code.VEX_Vdivsd_xmm_xmm_xmmm64);
        FloatForms.Packed<AddSubtractSingles>(table, Code.Addsubps_xmm_xmmm128, Code.VEX_Vaddsubps_xmm_xmm_xmmm128);
        FloatForms.Packed<AddSubtractDoubles>(table, Code.Addsubpd_xmm_xmmm128, Code.VEX_Vaddsubpd_xmm_xmm_xmmm128);
        FloatForms.Packed<HorizontalSingles<FloatAdd>>(table, Code.Haddps_xmm_xmmm128, Code.VEX_Vhaddps_xmm_xmm_xmmm128);
        FloatForms.Packed<HorizontalDoubles<FloatAdd>>(table, Code.Haddpd_xmm_xmmm128, Code.VEX_Vhaddpd_xmm_xmm_xmmm128);
        FloatForms.Packed<HorizontalSingles<FloatSubtract>>(table, Code.Hsubps_xmm_xmmm128, Code.VEX_Vhsubps_xmm_xmm_xmmm128);
        FloatForms.Packed<HorizontalDoubles<FloatSubtract>>(table, Code.Hsubpd_xmm_xmmm128, Code.VEX_Vhsubpd_xmm_xmm_xmmm128);
    }

    private static void Set<T>(HandlerTable table, Code ps, Code pd, Code ss, Code sd) where T : struct, IFloatBinary
    {
        table.Set(ps, &PackedSinglesRegister<T>, &PackedSinglesMemory<T>);
        table.Set(pd, &PackedDoublesRegister<T>, &PackedDoublesMemory<T>);
        table.Set(ss, &ScalarSingleRegister<T>, &ScalarSingleMemory<T>);
        table.Set(sd, &ScalarDoubleRegister<T>, &ScalarDoubleMemory<T>);
    }

    /// <summary>The host's result, where it is exact and raises nothing new (<see cref="SimdExceptions.HostArithmeticServes"/>).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryHost<T>(Vector128<float> a, Vector128<float> b, out Vector128<float> result) where T : struct, IFloatBinary
    {
        result = T.Host(a, b);
        return OrdinaryNumbers.All(a, b, result, T.ZeroIsExact);
    }

    /// <inheritdoc cref="TryHost{T}(Vector128{float}, Vector128{float}, out Vector128{float})"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryHost<T>(Vector128<double> a, Vector128<double> b, out Vector128<double> result) where T : struct, IFloatBinary
    {
        result = T.Host(a, b);
        return OrdinaryNumbers.All(a, b, result, T.ZeroIsExact);
    }

    /// <summary>One operation; false: an exception is to be raised.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TrySingle<T>(CpuState* s, uint a, uint b, out uint result) where T : struct, IFloatBinary
    {
        if (SimdExceptions.HostArithmeticServes(s)
            && TryHost<T>(Vector128.Create(a).AsSingle(), Vector128.Create(b).AsSingle(), out Vector128<float> host))
        {
            result = host.AsUInt32().ToScalar();
            return true;
        }

        FloatEnvironment environment = FloatEnvironment.FromMxcsr(s->Mxcsr);
        result = SimdArithmetic.Single<T>(ref environment, a, b);
        return SimdExceptions.Record(s, environment);
    }

    /// <inheritdoc cref="TrySingle"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryDouble<T>(CpuState* s, ulong a, ulong b, out ulong result) where T : struct, IFloatBinary
    {
        if (SimdExceptions.HostArithmeticServes(s)
            && TryHost<T>(Vector128.Create(a).AsDouble(), Vector128.Create(b).AsDouble(), out Vector128<double> host))
        {
            result = host.AsUInt64().ToScalar();
            return true;
        }

        FloatEnvironment environment = FloatEnvironment.FromMxcsr(s->Mxcsr);
        result = SimdArithmetic.Double<T>(ref environment, a, b);
        return SimdExceptions.Record(s, environment);
    }

    private static Outcome PackedSinglesRegister<T>(CpuState* s, Instruction* i) where T : struct, IFloatBinary =>
        PackedSingles<T>(s, i, Operands.Register<Vector128<float>>(s, i->Source));

    private static Outcome PackedSinglesMemory<T>(CpuState* s, Instruction* i) where T : struct, IFloatBinary =>
        VectorInstruction.LoadAligned(s, i, out V source) ? PackedSingles<T>(s, i, source.AsSingle()) : SlowAccess.Failure(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Outcome PackedSingles<T>(CpuState* s, Instruction* i, Vector128<float> b) where T : struct, IFloatBinary
    {
        ref Vector128<float> destination = ref Operands.Register<Vector128<float>>(s, i->Destination);
        if (SimdExceptions.HostArithmeticServes(s) && TryHost<T>(destination, b, out Vector128<float> result))
        {
            destination = result;
            return Outcome.Next;
        }

        return FloatForms.Apply<EachSingle<T>>(s, i, b.AsByte());
    }

    private static Outcome PackedDoublesRegister<T>(CpuState* s, Instruction* i) where T : struct, IFloatBinary =>
        PackedDoubles<T>(s, i, Operands.Register<Vector128<double>>(s, i->Source));

    private static Outcome PackedDoublesMemory<T>(CpuState* s, Instruction* i) where T : struct, IFloatBinary =>
        VectorInstruction.LoadAligned(s, i, out V source) ? PackedDoubles<T>(s, i, source.AsDouble()) : SlowAccess.Failure(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Outcome PackedDoubles<T>(CpuState* s, Instruction* i, Vector128<double> b) where T : struct, IFloatBinary
    {
        ref Vector128<double> destination = ref Operands.Register<Vector128<double>>(s, i->Destination);
        if (SimdExceptions.HostArithmeticServes(s) && TryHost<T>(destination, b, out Vector128<double> result))
        {
            destination = result;
            return Outcome.Next;
        }

        return FloatForms.Apply<EachDouble<T>>(s, i, b.AsByte());
    }

    private static Outcome ScalarSingleRegister<T>(CpuState* s, Instruction* i) where T : struct, IFloatBinary =>
        ScalarSingle<T>(s, i, Operands.Register<uint>(s, i->Source));

    private static Outcome ScalarSingleMemory<T>(CpuState* s, Instruction* i) where T : struct, IFloatBinary =>
        Operands.LoadOperand(s, i, out uint source) ? ScalarSingle<T>(s, i, source) : SlowAccess.Failure(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Outcome ScalarSingle<T>(CpuState* s, Instruction* i, uint b) where T : struct, IFloatBinary
    {
        ref uint destination = ref Operands.Register<uint>(s, i->Destination);
        if (!TrySingle<T>(s, destination, b, out uint result))
        {
            return SimdExceptions.Raise(s);
        }

        destination = result;
        return Outcome.Next;
    }

    private static Outcome ScalarDoubleRegister<T>(CpuState* s, Instruction* i) where T : struct, IFloatBinary =>
        ScalarDouble<T>(s, i, Operands.Register<ulong>(s, i->Source));

    private static Outcome ScalarDoubleMemory<T>(CpuState* s, Instruction* i) where T : struct, IFloatBinary =>
        Operands.LoadOperand(s, i, out ulong source) ? ScalarDouble<T>(s, i, source) : SlowAccess.Failure(s);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Outcome ScalarDouble<T>(CpuState* s, Instruction* i, ulong b) where T : struct, IFloatBinary
    {
        ref ulong destination = ref Operands.Register<ulong>(s, i->Destination);
        if (!TryDouble<T>(s, destination, b, out ulong result))
        {
            return SimdExceptions.Raise(s);
        }

        destination = result;
        return Outcome.Next;
    }

    internal readonly struct EachSingle<T> : IFloatVector where T : struct, IFloatBinary
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate)
        {
            Vector128<uint> result = default;
            for (int n = 0; n < 4; n++)
            {
                result = result.WithElement(n, SimdArithmetic.Single<T>(ref environment, a.AsUInt32().GetElement(n), b.AsUInt32().GetElement(n)));
            }

            return result.AsByte();
        }
    }

    internal readonly struct EachDouble<T> : IFloatVector where T : struct, IFloatBinary
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            Vector128.Create(
                SimdArithmetic.Double<T>(ref environment, a.AsUInt64().GetElement(0), b.AsUInt64().GetElement(0)),
                SimdArithmetic.Double<T>(ref environment, a.AsUInt64().GetElement(1), b.AsUInt64().GetElement(1))).AsByte();
    }

    private readonly struct AddSubtractSingles : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate)
        {
            Vector128<uint> x = a.AsUInt32();
            Vector128<uint> y = b.AsUInt32();
            return Vector128.Create(
                SimdArithmetic.Single<FloatSubtract>(ref environment, x.GetElement(0), y.GetElement(0)),
                SimdArithmetic.Single<FloatAdd>(ref environment, x.GetElement(1), y.GetElement(1)),
                SimdArithmetic.Single<FloatSubtract>(ref environment, x.GetElement(2), y.GetElement(2)),
                SimdArithmetic.Single<FloatAdd>(ref environment, x.GetElement(3), y.GetElement(3))).AsByte();
        }
    }

    private readonly struct AddSubtractDoubles : IFloatVector
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            Vector128.Create(
                SimdArithmetic.Double<FloatSubtract>(ref environment, a.AsUInt64().GetElement(0), b.AsUInt64().GetElement(0)),
                SimdArithmetic.Double<FloatAdd>(ref environment, a.AsUInt64().GetElement(1), b.AsUInt64().GetElement(1))).AsByte();
    }

    private readonly struct HorizontalSingles<T> : IFloatVector where T : struct, IFloatBinary
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate)
        {
            Vector128<uint> x = a.AsUInt32();
            Vector128<uint> y = b.AsUInt32();
            return Vector128.Create(
                SimdArithmetic.Single<T>(ref environment, x.GetElement(0), x.GetElement(1)),
                SimdArithmetic.Single<T>(ref environment, x.GetElement(2), x.GetElement(3)),
                SimdArithmetic.Single<T>(ref environment, y.GetElement(0), y.GetElement(1)),
                SimdArithmetic.Single<T>(ref environment, y.GetElement(2), y.GetElement(3))).AsByte();
        }
    }

    private readonly struct HorizontalDoubles<T> : IFloatVector where T : struct, IFloatBinary
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate) =>
            Vector128.Create(
                SimdArithmetic.Double<T>(ref environment, a.AsUInt64().GetElement(0), a.AsUInt64().GetElement(1)),
                SimdArithmetic.Double<T>(ref environment, b.AsUInt64().GetElement(0), b.AsUInt64().GetElement(1))).AsByte();
    }
}
