using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.FloatingPoint;
using Vmm.Engine.Software.Instructions.Sse;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Avx;

/// <summary>F16C: VCVTPH2PS and VCVTPS2PH (SDM Vol. 1 14.4).</summary>
internal static unsafe class HalfConversions
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.VEX_Vcvtph2ps_xmm_xmmm64, &HalvesToSingles<ulong>);
        table.Set(Code.VEX_Vcvtph2ps_ymm_xmmm128, &HalvesToSingles<V>);
        table.Set(Code.VEX_Vcvtps2ph_xmmm64_xmm_imm8, &SinglesToHalves<ulong>);
        table.Set(Code.VEX_Vcvtps2ph_xmmm128_ymm_imm8, &SinglesToHalves<V>);
    }

    /// <summary>Half-precision denormals are normal singles: they raise nothing, and DAZ does not apply.</summary>
    private static Outcome HalvesToSingles<TSource>(CpuState* s, Instruction* i) where TSource : unmanaged
    {
        V source = VexOperands.Lower(s, i->Source);
        if ((i->Flags & InstructionFlags.Memory) != 0
            && !(Address<TSource>(s, i, write: false, out ulong linear) && VectorElements.Load(s, linear, out *(TSource*)&source)))
        {
            return SlowAccess.Failure(s);
        }

        FloatEnvironment environment = FloatEnvironment.FromMxcsr(s->Mxcsr);
        V lower = Widen(ref environment, source.AsUInt64().GetElement(0));
        V upper = sizeof(TSource) == 16 ? Widen(ref environment, source.AsUInt64().GetElement(1)) : default;
        return VexFloatForms.Finish(s, i, environment, lower, upper);
    }

    private static V Widen(ref FloatEnvironment environment, ulong halves)
    {
        Vector128<uint> result = default;
        for (int n = 0; n < 4; n++)
        {
            Unpacked value = Unpacked.FromHalf((ushort)(halves >> (16 * n)));
            value = value.IsNaN
                ? SimdArithmetic.ChooseNaN(ref environment, value, value)
                : SoftFloat.Convert(ref environment, FloatFormat.Single, value, out _);
            result = result.WithElement(n, value.ToSingle());
        }

        return result.AsByte();
    }

    private static bool Address<T>(CpuState* s, Instruction* i, bool write, out ulong linear) where T : unmanaged =>
        VectorElements.Address(s, i, LinearMemory.Offset(s, i), sizeof(T), write, out linear);

    /// <summary>A <typeparamref name="TResult"/> of halves. Bits 1:0 of the immediate give the rounding unless bit 2 leaves it to MXCSR; FTZ does not apply.</summary>
    private static Outcome SinglesToHalves<TResult>(CpuState* s, Instruction* i) where TResult : unmanaged
    {
        FloatEnvironment environment = FloatEnvironment.FromMxcsr(s->Mxcsr);
        environment.FlushToZero = false;
        if ((i->Immediate & 4) == 0)
        {
            environment.Rounding = (RoundingMode)(i->Immediate & 3);
        }

        ulong lower = Narrow(ref environment, VexOperands.Lower(s, i->Source));
        ulong upper = sizeof(TResult) == 16 ? Narrow(ref environment, VexOperands.Upper(s, i->Source)) : 0;
        V result = Vector128.Create(lower, upper).AsByte();
        if ((i->Flags & InstructionFlags.Memory) == 0)
        {
            return VexFloatForms.Finish(s, i, environment, result, default);
        }

        // The flags stay when the store faults: it comes after the conversion.
        if (!SimdExceptions.Record(s, environment))
        {
            return SimdExceptions.Raise(s);
        }

        return Address<TResult>(s, i, write: true, out ulong linear) && VectorElements.Store(s, linear, *(TResult*)&result)
            ? Outcome.Next
            : SlowAccess.Failure(s);
    }

    private static ulong Narrow(ref FloatEnvironment environment, V singles)
    {
        ulong halves = 0;
        for (int n = 0; n < 4; n++)
        {
            Unpacked single = Unpacked.FromSingle(singles.AsUInt32().GetElement(n));
            Unpacked value = FloatConversions.Convert(ref environment, FloatFormat.Half, single);

            // The smallest half is far above: inexact whether underflow is masked or not.
            environment.Raised |= single.Class == FloatClass.Denormal && !environment.DenormalsAreZero ? FloatExceptions.Precision : 0;
            halves |= (ulong)value.ToHalf() << (16 * n);
        }

        return halves;
    }
}
