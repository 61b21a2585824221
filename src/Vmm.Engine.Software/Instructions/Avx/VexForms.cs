using System.Runtime.Intrinsics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Instructions.Sse;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;
using V = System.Runtime.Intrinsics.Vector128<byte>;

namespace Vmm.Engine.Software.Instructions.Avx;

/// <summary>
/// The VEX forms of operations that raise no exceptions of their own: SSE's operation on each half, with a destination of
/// its own. Where a method takes one code, it is that of the 128-bit form, which the 256-bit one follows.
/// </summary>
internal static unsafe class VexForms
{
    public static void Binary<T>(HandlerTable table, Code xmm) where T : struct, IVectorBinary
    {
        Binary128<T>(table, xmm);
        table.Set(xmm + 1, &Binary<T, Vector256<byte>>);
    }

    public static void Binary128<T>(HandlerTable table, Code xmm) where T : struct, IVectorBinary =>
        table.Set(xmm, &Binary<T, V>);

    public static void Unary<T>(HandlerTable table, Code xmm) where T : struct, IVectorUnary
    {
        Unary128<T>(table, xmm);
        Unary256<T>(table, xmm + 1);
    }

    public static void Unary128<T>(HandlerTable table, Code xmm) where T : struct, IVectorUnary =>
        table.Set(xmm, &Unary<T, V>);

    public static void Unary256<T>(HandlerTable table, Code ymm) where T : struct, IVectorUnary =>
        table.Set(ymm, &Unary<T, Vector256<byte>>);

    /// <summary>Three operands and an immediate.</summary>
    public static void Immediate<T>(HandlerTable table, Code xmm) where T : struct, IVectorBinaryImmediate
    {
        Immediate128<T>(table, xmm);
        table.Set(xmm + 1, &Immediate<T, Vector256<byte>>);
    }

    public static void Immediate128<T>(HandlerTable table, Code xmm) where T : struct, IVectorBinaryImmediate =>
        table.Set(xmm, &Immediate<T, V>);

    /// <summary>Two operands and an immediate.</summary>
    public static void Shuffle<T>(HandlerTable table, Code xmm) where T : struct, IVectorBinaryImmediate
    {
        Shuffle128<T>(table, xmm);
        table.Set(xmm + 1, &Shuffle<T, Vector256<byte>>);
    }

    public static void Shuffle128<T>(HandlerTable table, Code xmm) where T : struct, IVectorBinaryImmediate =>
        table.Set(xmm, &Shuffle<T, V>);

    /// <summary>A shift by an immediate.</summary>
    public static void Shift<T>(HandlerTable table, Code xmm) where T : struct, IVectorShift
    {
        table.Set(xmm, &Shift<T, V>, null);
        table.Set(xmm + 1, &Shift<T, Vector256<byte>>, null);
    }

    /// <summary>A shift by the lower 64 bits of a 128-bit operand, whatever the vector length.</summary>
    public static void ShiftByCount<T>(HandlerTable table, Code xmm) where T : struct, IVectorShift
    {
        table.Set(xmm, &ShiftByCount<T, V>);
        table.Set(xmm + 1, &ShiftByCount<T, Vector256<byte>>);
    }

    /// <summary>Lanes become wider: a <typeparamref name="TPart"/> of the source makes a half of the result.</summary>
    public static void Widening<T, TPart>(HandlerTable table, Code xmm)
        where T : struct, IVectorUnary
        where TPart : unmanaged
    {
        Narrow<T, TPart>(table, xmm);
        if (sizeof(TPart) == 2)
        {
            table.Set(xmm + 1, &Widening<T, uint>);
        }
        else if (sizeof(TPart) == 4)
        {
            table.Set(xmm + 1, &Widening<T, ulong>);
        }
        else
        {
            table.Set(xmm + 1, &Widening<T, V>);
        }
    }

    /// <summary>A 128-bit form whose memory operand is narrower.</summary>
    public static void Narrow<T, TMemory>(HandlerTable table, Code xmm)
        where T : struct, IVectorUnary
        where TMemory : unmanaged =>
        table.Set(xmm, &UnaryNarrow<T, TMemory>);

    /// <summary>Three operands of 128 bits, of which the last one is narrower in memory.</summary>
    public static void BinaryNarrow<T, TMemory>(HandlerTable table, Code xmm)
        where T : struct, IVectorBinary
        where TMemory : unmanaged =>
        table.Set(xmm, &BinaryNarrowForm<T, TMemory>);

    /// <summary>The same with an immediate; the last operand may be a general register.</summary>
    public static void ImmediateNarrow<T, TMemory>(HandlerTable table, Code xmm)
        where T : struct, IVectorBinaryImmediate
        where TMemory : unmanaged =>
        table.Set(xmm, &ImmediateNarrowForm<T, TMemory>);

    private static Outcome BinaryNarrowForm<T, TMemory>(CpuState* s, Instruction* i)
        where T : struct, IVectorBinary
        where TMemory : unmanaged
    {
        if (!VexOperands.LoadNarrow<TMemory>(s, i, i->Source2, out V source))
        {
            return SlowAccess.Failure(s);
        }

        VexOperands.Write(s, i->Destination, T.Apply(VexOperands.Lower(s, i->Source), source));
        return Outcome.Next;
    }

    private static Outcome ImmediateNarrowForm<T, TMemory>(CpuState* s, Instruction* i)
        where T : struct, IVectorBinaryImmediate
        where TMemory : unmanaged
    {
        if (!VexOperands.LoadNarrow<TMemory>(s, i, i->Source2, out V source))
        {
            return SlowAccess.Failure(s);
        }

        VexOperands.Write(s, i->Destination, T.Apply(VexOperands.Lower(s, i->Source), source, (byte)i->Immediate));
        return Outcome.Next;
    }

    private static Outcome Binary<T, TVector>(CpuState* s, Instruction* i)
        where T : struct, IVectorBinary
        where TVector : unmanaged
    {
        if (!VexOperands.Load<TVector>(s, i, i->Source2, out V lower, out V upper))
        {
            return SlowAccess.Failure(s);
        }

        lower = T.Apply(VexOperands.Lower(s, i->Source), lower);
        upper = VexOperands.Is256<TVector>() ? T.Apply(VexOperands.Upper(s, i->Source), upper) : default;
        VexOperands.Write(s, i->Destination, lower, upper);
        return Outcome.Next;
    }

    private static Outcome Unary<T, TVector>(CpuState* s, Instruction* i)
        where T : struct, IVectorUnary
        where TVector : unmanaged
    {
        if (!VexOperands.Load<TVector>(s, i, i->Source, out V lower, out V upper))
        {
            return SlowAccess.Failure(s);
        }

        VexOperands.Write(s, i->Destination, T.Apply(lower), VexOperands.Is256<TVector>() ? T.Apply(upper) : default);
        return Outcome.Next;
    }

    private static Outcome UnaryNarrow<T, TMemory>(CpuState* s, Instruction* i)
        where T : struct, IVectorUnary
        where TMemory : unmanaged
    {
        if (!VexOperands.LoadNarrow<TMemory>(s, i, i->Source, out V source))
        {
            return SlowAccess.Failure(s);
        }

        VexOperands.Write(s, i->Destination, T.Apply(source));
        return Outcome.Next;
    }

    private static Outcome Widening<T, TMemory>(CpuState* s, Instruction* i)
        where T : struct, IVectorUnary
        where TMemory : unmanaged
    {
        if (!VexOperands.LoadNarrow<TMemory>(s, i, i->Source, out V source))
        {
            return SlowAccess.Failure(s);
        }

        VexOperands.Write(s, i->Destination, T.Apply(source), T.Apply(ShiftBytesRight.Apply(source, (ulong)sizeof(TMemory) / 2)));
        return Outcome.Next;
    }

    private static Outcome Immediate<T, TVector>(CpuState* s, Instruction* i)
        where T : struct, IVectorBinaryImmediate
        where TVector : unmanaged
    {
        if (!VexOperands.Load<TVector>(s, i, i->Source2, out V lower, out V upper))
        {
            return SlowAccess.Failure(s);
        }

        lower = T.Apply(VexOperands.Lower(s, i->Source), lower, (byte)i->Immediate);
        upper = VexOperands.Is256<TVector>() ? T.Apply(VexOperands.Upper(s, i->Source), upper, UpperImmediate<T>(i)) : default;
        VexOperands.Write(s, i->Destination, lower, upper);
        return Outcome.Next;
    }

    private static Outcome Shuffle<T, TVector>(CpuState* s, Instruction* i)
        where T : struct, IVectorBinaryImmediate
        where TVector : unmanaged
    {
        if (!VexOperands.Load<TVector>(s, i, i->Source, out V lower, out V upper))
        {
            return SlowAccess.Failure(s);
        }

        lower = T.Apply(default, lower, (byte)i->Immediate);
        upper = VexOperands.Is256<TVector>() ? T.Apply(default, upper, UpperImmediate<T>(i)) : default;
        VexOperands.Write(s, i->Destination, lower, upper);
        return Outcome.Next;
    }

    private static byte UpperImmediate<T>(Instruction* i) where T : struct, IVectorBinaryImmediate =>
        (byte)((byte)i->Immediate >> T.UpperHalfShift);

    private static Outcome Shift<T, TVector>(CpuState* s, Instruction* i)
        where T : struct, IVectorShift
        where TVector : unmanaged
    {
        Shift<T, TVector>(s, i, (byte)i->Immediate);
        return Outcome.Next;
    }

    private static Outcome ShiftByCount<T, TVector>(CpuState* s, Instruction* i)
        where T : struct, IVectorShift
        where TVector : unmanaged
    {
        if (!VexOperands.Load<V>(s, i, i->Source2, out V count, out _))
        {
            return SlowAccess.Failure(s);
        }

        Shift<T, TVector>(s, i, count.AsUInt64().ToScalar());
        return Outcome.Next;
    }

    private static void Shift<T, TVector>(CpuState* s, Instruction* i, ulong count)
        where T : struct, IVectorShift
        where TVector : unmanaged
    {
        V lower = T.Apply(VexOperands.Lower(s, i->Source), count);
        V upper = VexOperands.Is256<TVector>() ? T.Apply(VexOperands.Upper(s, i->Source), count) : default;
        VexOperands.Write(s, i->Destination, lower, upper);
    }
}
