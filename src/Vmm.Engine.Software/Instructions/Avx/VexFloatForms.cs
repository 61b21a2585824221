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

/// <summary>
/// The VEX forms of operations that raise floating-point exceptions: SSE's operation on each half, in one environment.
/// Where a method takes one code, it is that of the 128-bit form, which the 256-bit one follows.
/// </summary>
internal static unsafe class VexFloatForms
{
    /// <summary>Three operands.</summary>
    public static void Packed<T>(HandlerTable table, Code xmm) where T : struct, IFloatVector
    {
        Packed128<T>(table, xmm);
        table.Set(xmm + 1, &Packed<T, Vector256<byte>>);
    }

    public static void Packed128<T>(HandlerTable table, Code xmm) where T : struct, IFloatVector =>
        table.Set(xmm, &Packed<T, V>);

    /// <summary>Two operands.</summary>
    public static void Unary<T>(HandlerTable table, Code xmm) where T : struct, IFloatVector
    {
        table.Set(xmm, &Unary<T, V>);
        table.Set(xmm + 1, &Unary<T, Vector256<byte>>);
    }

    /// <summary>Three operands, of which a <typeparamref name="TMemory"/> is computed and the rest is the second's.</summary>
    public static void Scalar<T, TMemory>(HandlerTable table, Code code)
        where T : struct, IFloatVector
        where TMemory : unmanaged =>
        table.Set(code, &Scalar<T, TMemory>);

    /// <summary>Two operands; 64 bits of the source make a half of the result.</summary>
    public static void Widening<T>(HandlerTable table, Code xmm) where T : struct, IFloatVector
    {
        table.Set(xmm, &Widening<T, ulong>);
        table.Set(xmm + 1, &Widening<T, V>);
    }

    /// <summary>Two operands; a half of the source makes 64 bits of the result.</summary>
    public static void Narrowing<T>(HandlerTable table, Code xmm) where T : struct, IFloatVector
    {
        table.Set(xmm, &Narrowing<T, V>);
        table.Set(xmm + 1, &Narrowing<T, Vector256<byte>>);
    }

    /// <summary>Computes with the second operand given; the first one is <see cref="Instruction.Source"/>.</summary>
    public static Outcome Apply<T, TVector>(CpuState* s, Instruction* i, V lower, V upper)
        where T : struct, IFloatVector
        where TVector : unmanaged
    {
        FloatEnvironment environment = FloatEnvironment.FromMxcsr(s->Mxcsr);
        lower = T.Apply(ref environment, VexOperands.Lower(s, i->Source), lower, (byte)i->Immediate);
        upper = VexOperands.Is256<TVector>()
            ? T.Apply(ref environment, VexOperands.Upper(s, i->Source), upper, (byte)i->Immediate)
            : default;
        return Finish(s, i, environment, lower, upper);
    }

    /// <summary>Records exceptions and, when none is unmasked, writes.</summary>
    public static Outcome Finish(CpuState* s, Instruction* i, in FloatEnvironment environment, V lower, V upper)
    {
        if (!SimdExceptions.Record(s, environment))
        {
            return SimdExceptions.Raise(s);
        }

        VexOperands.Write(s, i->Destination, lower, upper);
        return Outcome.Next;
    }

    private static Outcome Packed<T, TVector>(CpuState* s, Instruction* i)
        where T : struct, IFloatVector
        where TVector : unmanaged =>
        VexOperands.Load<TVector>(s, i, i->Source2, out V lower, out V upper) ? Apply<T, TVector>(s, i, lower, upper) : SlowAccess.Failure(s);

    // Such operations do not look at the first operand.
    private static Outcome Unary<T, TVector>(CpuState* s, Instruction* i)
        where T : struct, IFloatVector
        where TVector : unmanaged =>
        VexOperands.Load<TVector>(s, i, i->Source, out V lower, out V upper) ? Apply<T, TVector>(s, i, lower, upper) : SlowAccess.Failure(s);

    private static Outcome Scalar<T, TMemory>(CpuState* s, Instruction* i)
        where T : struct, IFloatVector
        where TMemory : unmanaged =>
        VexOperands.LoadNarrow<TMemory>(s, i, i->Source2, out V value) ? Apply<T, V>(s, i, value, default) : SlowAccess.Failure(s);

    private static Outcome Widening<T, TMemory>(CpuState* s, Instruction* i)
        where T : struct, IFloatVector
        where TMemory : unmanaged
    {
        if (!VexOperands.LoadNarrow<TMemory>(s, i, i->Source, out V source))
        {
            return SlowAccess.Failure(s);
        }

        FloatEnvironment environment = FloatEnvironment.FromMxcsr(s->Mxcsr);
        V lower = T.Apply(ref environment, default, source, (byte)i->Immediate);
        V upper = sizeof(TMemory) == 16
            ? T.Apply(ref environment, default, UnpackHighQwords.Apply(source, source), (byte)i->Immediate)
            : default;
        return Finish(s, i, environment, lower, upper);
    }

    private static Outcome Narrowing<T, TVector>(CpuState* s, Instruction* i)
        where T : struct, IFloatVector
        where TVector : unmanaged
    {
        if (!VexOperands.Load<TVector>(s, i, i->Source, out V lower, out V upper))
        {
            return SlowAccess.Failure(s);
        }

        FloatEnvironment environment = FloatEnvironment.FromMxcsr(s->Mxcsr);
        lower = T.Apply(ref environment, default, lower, (byte)i->Immediate);
        upper = VexOperands.Is256<TVector>() ? T.Apply(ref environment, default, upper, (byte)i->Immediate) : default;
        return Finish(s, i, environment, UnpackLowQwords.Apply(lower, upper), default);
    }
}
