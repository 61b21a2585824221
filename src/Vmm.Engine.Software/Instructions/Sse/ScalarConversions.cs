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

/// <summary>Conversions between vector registers and general or MMX registers.</summary>
internal static unsafe class ScalarConversions
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.Cvtsi2ss_xmm_rm32, &SingleFromRegister<int>, &SingleFromMemory<int>);
        table.Set(Code.Cvtsi2ss_xmm_rm64, &SingleFromRegister<long>, &SingleFromMemory<long>);
        table.Set(Code.Cvtsi2sd_xmm_rm32, &DoubleFromRegister<int>, &DoubleFromMemory<int>);
        table.Set(Code.Cvtsi2sd_xmm_rm64, &DoubleFromRegister<long>, &DoubleFromMemory<long>);
        VexFloatForms.Scalar<SingleFromInteger<int>, int>(table, Code.VEX_Vcvtsi2ss_xmm_xmm_rm32);
        VexFloatForms.Scalar<SingleFromInteger<long>, long>(table, Code.VEX_Vcvtsi2ss_xmm_xmm_rm64);
        VexFloatForms.Scalar<DoubleFromInteger<int>, int>(table, Code.VEX_Vcvtsi2sd_xmm_xmm_rm32);
        VexFloatForms.Scalar<DoubleFromInteger<long>, long>(table, Code.VEX_Vcvtsi2sd_xmm_xmm_rm64);
        ToGeneral<ByMode>(table, Code.Cvtss2si_r32_xmmm32, Code.Cvtss2si_r64_xmmm32, Code.Cvtsd2si_r32_xmmm64, Code.Cvtsd2si_r64_xmmm64);
        ToGeneral<ByMode>(
            table, Code.VEX_Vcvtss2si_r32_xmmm32, Code.VEX_Vcvtss2si_r64_xmmm32, Code.VEX_Vcvtsd2si_r32_xmmm64, Code.VEX_Vcvtsd2si_r64_xmmm64);
        ToGeneral<Truncating>(table, Code.Cvttss2si_r32_xmmm32, Code.Cvttss2si_r64_xmmm32, Code.Cvttsd2si_r32_xmmm64, Code.Cvttsd2si_r64_xmmm64);
        ToGeneral<Truncating>(
            table, Code.VEX_Vcvttss2si_r32_xmmm32, Code.VEX_Vcvttss2si_r64_xmmm32, Code.VEX_Vcvttsd2si_r32_xmmm64, Code.VEX_Vcvttsd2si_r64_xmmm64);

        table.Set(Code.Cvtpi2ps_xmm_mmm64, &SinglesFromMmx, &SinglesFromMemory);
        table.Set(Code.Cvtpi2pd_xmm_mmm64, &DoublesFromMmx, &DoublesFromMemory);
        table.Set(Code.Cvtps2pi_mm_xmmm64, &SinglesToMmxRegister<ByMode>, &SinglesToMmxMemory<ByMode>);
        table.Set(Code.Cvttps2pi_mm_xmmm64, &SinglesToMmxRegister<Truncating>, &SinglesToMmxMemory<Truncating>);
        table.Set(Code.Cvtpd2pi_mm_xmmm128, &DoublesToMmxRegister<ByMode>, &DoublesToMmxMemory<ByMode>);
        table.Set(Code.Cvttpd2pi_mm_xmmm128, &DoublesToMmxRegister<Truncating>, &DoublesToMmxMemory<Truncating>);
    }

    private static void ToGeneral<TRounding>(HandlerTable table, Code single32, Code single64, Code double32, Code double64)
        where TRounding : struct, IConversionRounding
    {
        table.Set(single32, &SingleToGeneralRegister<TRounding, int>, &SingleToGeneralMemory<TRounding, int>);
        table.Set(single64, &SingleToGeneralRegister<TRounding, long>, &SingleToGeneralMemory<TRounding, long>);
        table.Set(double32, &DoubleToGeneralRegister<TRounding, int>, &DoubleToGeneralMemory<TRounding, int>);
        table.Set(double64, &DoubleToGeneralRegister<TRounding, long>, &DoubleToGeneralMemory<TRounding, long>);
    }

    private static long SignExtend<T>(T value) where T : unmanaged =>
        sizeof(T) == 4 ? *(int*)&value : *(long*)&value;

    // VEX forms: of a general register the lower bits count, which are at its offset as they are at a vector's.
    private readonly struct SingleFromInteger<T> : IFloatVector where T : unmanaged
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate)
        {
            Unpacked result = SoftFloat.FromInteger(ref environment, FloatFormat.Single, SignExtend(b.As<byte, T>().ToScalar()), out _);
            return a.AsUInt32().WithElement(0, result.ToSingle()).AsByte();
        }
    }

    private readonly struct DoubleFromInteger<T> : IFloatVector where T : unmanaged
    {
        public static V Apply(ref FloatEnvironment environment, V a, V b, byte immediate)
        {
            Unpacked result = SoftFloat.FromInteger(ref environment, FloatFormat.Double, SignExtend(b.As<byte, T>().ToScalar()), out _);
            return a.AsUInt64().WithElement(0, result.ToDouble()).AsByte();
        }
    }

    private static Outcome SingleFromRegister<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        SingleFrom(s, i, SignExtend(Operands.Register<T>(s, i->Source)));

    private static Outcome SingleFromMemory<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Operands.LoadOperand(s, i, out T value) ? SingleFrom(s, i, SignExtend(value)) : SlowAccess.Failure(s);

    private static Outcome SingleFrom(CpuState* s, Instruction* i, long value)
    {
        FloatEnvironment environment = FloatEnvironment.FromMxcsr(s->Mxcsr);
        uint result = SoftFloat.FromInteger(ref environment, FloatFormat.Single, value, out _).ToSingle();
        if (!SimdExceptions.Record(s, environment))
        {
            return SimdExceptions.Raise(s);
        }

        Operands.Register<uint>(s, i->Destination) = result;
        return Outcome.Next;
    }

    private static Outcome DoubleFromRegister<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        DoubleFrom(s, i, SignExtend(Operands.Register<T>(s, i->Source)));

    private static Outcome DoubleFromMemory<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Operands.LoadOperand(s, i, out T value) ? DoubleFrom(s, i, SignExtend(value)) : SlowAccess.Failure(s);

    private static Outcome DoubleFrom(CpuState* s, Instruction* i, long value)
    {
        FloatEnvironment environment = FloatEnvironment.FromMxcsr(s->Mxcsr);
        ulong result = SoftFloat.FromInteger(ref environment, FloatFormat.Double, value, out _).ToDouble();
        if (!SimdExceptions.Record(s, environment))
        {
            return SimdExceptions.Raise(s);
        }

        Operands.Register<ulong>(s, i->Destination) = result;
        return Outcome.Next;
    }

    private static Outcome SingleToGeneralRegister<TRounding, T>(CpuState* s, Instruction* i)
        where TRounding : struct, IConversionRounding
        where T : unmanaged =>
        ToGeneralRegister<TRounding, T>(s, i, Unpacked.FromSingle(Operands.Register<uint>(s, i->Source)));

    private static Outcome SingleToGeneralMemory<TRounding, T>(CpuState* s, Instruction* i)
        where TRounding : struct, IConversionRounding
        where T : unmanaged =>
        Operands.LoadOperand(s, i, out uint value) ? ToGeneralRegister<TRounding, T>(s, i, Unpacked.FromSingle(value)) : SlowAccess.Failure(s);

    private static Outcome DoubleToGeneralRegister<TRounding, T>(CpuState* s, Instruction* i)
        where TRounding : struct, IConversionRounding
        where T : unmanaged =>
        ToGeneralRegister<TRounding, T>(s, i, Unpacked.FromDouble(Operands.Register<ulong>(s, i->Source)));

    private static Outcome DoubleToGeneralMemory<TRounding, T>(CpuState* s, Instruction* i)
        where TRounding : struct, IConversionRounding
        where T : unmanaged =>
        Operands.LoadOperand(s, i, out ulong value) ? ToGeneralRegister<TRounding, T>(s, i, Unpacked.FromDouble(value)) : SlowAccess.Failure(s);

    private static Outcome ToGeneralRegister<TRounding, T>(CpuState* s, Instruction* i, Unpacked value)
        where TRounding : struct, IConversionRounding
        where T : unmanaged
    {
        FloatEnvironment environment = FloatEnvironment.FromMxcsr(s->Mxcsr);
        long result = FloatConversions.ToInteger<TRounding>(ref environment, value, sizeof(T) * 8);
        if (!SimdExceptions.Record(s, environment))
        {
            return SimdExceptions.Raise(s);
        }

        Operands.WriteRegister(s, i->Destination, *(T*)&result);
        return Outcome.Next;
    }

    private static Outcome SinglesFromMmx(CpuState* s, Instruction* i)
    {
        ulong source = MmxInstruction.Read(s, i->Source);
        MmxInstruction.Enter(s);
        return SinglesFrom(s, i, source);
    }

    private static Outcome SinglesFromMemory(CpuState* s, Instruction* i) =>
        Operands.LoadOperand(s, i, out ulong source) ? SinglesFrom(s, i, source) : SlowAccess.Failure(s);

    private static Outcome SinglesFrom(CpuState* s, Instruction* i, ulong source)
    {
        FloatEnvironment environment = FloatEnvironment.FromMxcsr(s->Mxcsr);
        uint low = SoftFloat.FromInteger(ref environment, FloatFormat.Single, (int)source, out _).ToSingle();
        uint high = SoftFloat.FromInteger(ref environment, FloatFormat.Single, (int)(source >> 32), out _).ToSingle();
        if (!SimdExceptions.Record(s, environment))
        {
            return SimdExceptions.Raise(s);
        }

        Operands.Register<ulong>(s, i->Destination) = low | ((ulong)high << 32);
        return Outcome.Next;
    }

    private static Outcome DoublesFromMmx(CpuState* s, Instruction* i)
    {
        ulong source = MmxInstruction.Read(s, i->Source);
        MmxInstruction.Enter(s);
        return DoublesFrom(s, i, source);
    }

    /// <summary>From memory the x87 state stays as it is (SDM Vol. 2A CVTPI2PD).</summary>
    private static Outcome DoublesFromMemory(CpuState* s, Instruction* i) =>
        Operands.LoadOperand(s, i, out ulong source) ? DoublesFrom(s, i, source) : SlowAccess.Failure(s);

    private static Outcome DoublesFrom(CpuState* s, Instruction* i, ulong source)
    {
        Operands.Register<Vector128<double>>(s, i->Destination) = Vector128.Create((double)(int)source, (int)(source >> 32));
        return Outcome.Next;
    }

    private static Outcome SinglesToMmxRegister<TRounding>(CpuState* s, Instruction* i) where TRounding : struct, IConversionRounding =>
        SinglesToMmx<TRounding>(s, i, Operands.Register<ulong>(s, i->Source));

    private static Outcome SinglesToMmxMemory<TRounding>(CpuState* s, Instruction* i) where TRounding : struct, IConversionRounding =>
        Operands.LoadOperand(s, i, out ulong source) ? SinglesToMmx<TRounding>(s, i, source) : SlowAccess.Failure(s);

    private static Outcome SinglesToMmx<TRounding>(CpuState* s, Instruction* i, ulong source) where TRounding : struct, IConversionRounding =>
        ToMmx<TRounding>(s, i, Unpacked.FromSingle((uint)source), Unpacked.FromSingle((uint)(source >> 32)));

    private static Outcome DoublesToMmxRegister<TRounding>(CpuState* s, Instruction* i) where TRounding : struct, IConversionRounding =>
        DoublesToMmx<TRounding>(s, i, Operands.Register<V>(s, i->Source));

    private static Outcome DoublesToMmxMemory<TRounding>(CpuState* s, Instruction* i) where TRounding : struct, IConversionRounding =>
        VectorInstruction.LoadAligned(s, i, out V source) ? DoublesToMmx<TRounding>(s, i, source) : SlowAccess.Failure(s);

    private static Outcome DoublesToMmx<TRounding>(CpuState* s, Instruction* i, V source) where TRounding : struct, IConversionRounding =>
        ToMmx<TRounding>(s, i, Unpacked.FromDouble(source.AsUInt64().GetElement(0)), Unpacked.FromDouble(source.AsUInt64().GetElement(1)));

    private static Outcome ToMmx<TRounding>(CpuState* s, Instruction* i, Unpacked low, Unpacked high) where TRounding : struct, IConversionRounding
    {
        FloatEnvironment environment = FloatEnvironment.FromMxcsr(s->Mxcsr);
        uint first = (uint)FloatConversions.ToInteger<TRounding>(ref environment, low, 32);
        uint second = (uint)FloatConversions.ToInteger<TRounding>(ref environment, high, 32);
        if (!SimdExceptions.Record(s, environment))
        {
            return SimdExceptions.Raise(s);
        }

        MmxInstruction.Enter(s);
        MmxInstruction.Write(s, i->Destination, first | ((ulong)second << 32));
        return Outcome.Next;
    }
}
