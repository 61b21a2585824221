using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Vmx;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>MUL, IMUL, DIV and IDIV. SF, ZF, AF and PF are undefined after them; here they follow the lower half of a product.</summary>
internal static unsafe class MultiplyDivide
{
    private static readonly ushort Rax = (ushort)CpuState.GprOffset(0);
    private static readonly ushort Rdx = (ushort)CpuState.GprOffset(2);

    public static void Register(HandlerTable table)
    {
        Set<Multiply>(table, Code.Mul_rm8, Code.Mul_rm16);
        Set<SignedMultiply>(table, Code.Imul_rm8, Code.Imul_rm16);
        Set<Divide>(table, Code.Div_rm8, Code.Div_rm16);
        Set<SignedDivide>(table, Code.Idiv_rm8, Code.Idiv_rm16);
        table.Set(Code.Imul_r16_rm16, &TwoOperands<ushort>);
        table.Set(Code.Imul_r32_rm32, &TwoOperands<uint>);
        table.Set(Code.Imul_r64_rm64, &TwoOperands<ulong>);
        foreach (Code code in (ReadOnlySpan<Code>)[Code.Imul_r16_rm16_imm16, Code.Imul_r16_rm16_imm8])
        {
            table.Set(code, &ThreeOperands<ushort>);
            table.Set(code + 1, &ThreeOperands<uint>);
            table.Set(code + 2, &ThreeOperands<ulong>);
        }
    }

    /// <summary>An operation on the accumulator pair rDX:rAX (AX for bytes).</summary>
    private interface IAccumulatorOperation
    {
        static abstract Outcome Apply<T>(CpuState* s, ulong operand) where T : unmanaged;
    }

    private static void Set<TOperation>(HandlerTable table, Code bytes, Code words) where TOperation : struct, IAccumulatorOperation
    {
        table.Set(bytes, &WithRegister<TOperation, byte>, &WithMemory<TOperation, byte>);
        table.Set(words, &WithRegister<TOperation, ushort>, &WithMemory<TOperation, ushort>);
        table.Set(words + 1, &WithRegister<TOperation, uint>, &WithMemory<TOperation, uint>);
        table.Set(words + 2, &WithRegister<TOperation, ulong>, &WithMemory<TOperation, ulong>);
    }

    private static Outcome WithRegister<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IAccumulatorOperation
        where T : unmanaged =>
        TOperation.Apply<T>(s, Width.ReadRegister<T>(s, i->Destination));

    private static Outcome WithMemory<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IAccumulatorOperation
        where T : unmanaged =>
        Width.LoadOperand<T>(s, i, out ulong operand) ? TOperation.Apply<T>(s, operand) : SlowAccess.Failure(s);

    /// <summary>The double-width accumulator, zero-extended.</summary>
    private static UInt128 ReadPair<T>(CpuState* s) where T : unmanaged =>
        sizeof(T) == 1
            ? (ushort)s->Gpr.Rax
            : ((UInt128)Width.Truncate<T>(s->Gpr.Rdx) << Width.Bits<T>()) | Width.Truncate<T>(s->Gpr.Rax);

    private static void WritePair<T>(CpuState* s, ulong low, ulong high) where T : unmanaged
    {
        if (sizeof(T) == 1)
        {
            Width.WriteRegister<ushort>(s, Rax, (byte)low | (high << 8));
            return;
        }

        Width.WriteRegister<T>(s, Rax, low);
        Width.WriteRegister<T>(s, Rdx, high);
    }

    private struct Multiply : IAccumulatorOperation
    {
        public static Outcome Apply<T>(CpuState* s, ulong operand) where T : unmanaged
        {
            ulong high = Math.BigMul(Width.Truncate<T>(s->Gpr.Rax), operand, out ulong low);
            if (sizeof(T) < 8)
            {
                high = low >> Width.Bits<T>();
            }

            WritePair<T>(s, low, high);
            bool significant = Width.Truncate<T>(high) != 0;
            ArithmeticFlags.SetResult(s, Width.Bits<T>(), low, significant, significant);
            return Outcome.Next;
        }
    }

    private struct SignedMultiply : IAccumulatorOperation
    {
        public static Outcome Apply<T>(CpuState* s, ulong operand) where T : unmanaged
        {
            ulong low = Product<T>(s, s->Gpr.Rax, operand, out ulong high);
            WritePair<T>(s, low, high);
            return Outcome.Next;
        }
    }

    /// <summary>A signed product with CF and OF set when it does not fit its lower half.</summary>
    private static ulong Product<T>(CpuState* s, ulong a, ulong b, out ulong upper) where T : unmanaged
    {
        long high = Math.BigMul((long)Width.SignExtend<T>(a), (long)Width.SignExtend<T>(b), out long low);
        upper = sizeof(T) == 8 ? (ulong)high : (ulong)(low >> (Width.Bits<T>() & 63));
        bool truncated = sizeof(T) == 8 ? high != low >> 63 : (long)Width.SignExtend<T>((ulong)low) != low;
        ArithmeticFlags.SetResult(s, Width.Bits<T>(), (ulong)low, truncated, truncated);
        return (ulong)low;
    }

    private struct Divide : IAccumulatorOperation
    {
        public static Outcome Apply<T>(CpuState* s, ulong operand) where T : unmanaged
        {
            if (operand == 0)
            {
                return Faults.Raise(s, ExceptionVector.DivideError);
            }

            ulong quotient;
            ulong remainder;
            UInt128 dividend = ReadPair<T>(s);
            if (dividend <= ulong.MaxValue)
            {
                (quotient, remainder) = Math.DivRem((ulong)dividend, operand);
                if (quotient != Width.Truncate<T>(quotient))
                {
                    return Faults.Raise(s, ExceptionVector.DivideError);
                }
            }
            else
            {
                (UInt128 wideQuotient, UInt128 wideRemainder) = UInt128.DivRem(dividend, operand);
                if (wideQuotient > Width.Truncate<T>(ulong.MaxValue))
                {
                    return Faults.Raise(s, ExceptionVector.DivideError);
                }

                (quotient, remainder) = ((ulong)wideQuotient, (ulong)wideRemainder);
            }

            WritePair<T>(s, quotient, remainder);
            return Outcome.Next;
        }
    }

    private struct SignedDivide : IAccumulatorOperation
    {
        public static Outcome Apply<T>(CpuState* s, ulong operand) where T : unmanaged
        {
            int bits = Width.Bits<T>();
            UInt128 pair = ReadPair<T>(s);
            bool negativeDividend = ((pair >> ((2 * bits) - 1)) & UInt128.One) != UInt128.Zero;
            UInt128 mask = bits == 64 ? UInt128.MaxValue : (UInt128.One << (2 * bits)) - UInt128.One;
            UInt128 dividend = negativeDividend ? (UInt128.Zero - pair) & mask : pair;
            long signedDivisor = (long)Width.SignExtend<T>(operand);
            ulong divisor = signedDivisor < 0 ? 0 - (ulong)signedDivisor : (ulong)signedDivisor;
            if (divisor == 0)
            {
                return Faults.Raise(s, ExceptionVector.DivideError);
            }

            (UInt128 quotient, UInt128 remainder) = dividend <= ulong.MaxValue
                ? DivideShort((ulong)dividend, divisor)
                : UInt128.DivRem(dividend, divisor);
            bool negative = negativeDividend != (signedDivisor < 0);
            UInt128 limit = UInt128.One << (bits - 1);
            if (negative ? quotient > limit : quotient >= limit)
            {
                return Faults.Raise(s, ExceptionVector.DivideError);
            }

            ulong low = negative ? 0 - (ulong)quotient : (ulong)quotient;
            ulong high = negativeDividend ? 0 - (ulong)remainder : (ulong)remainder;
            WritePair<T>(s, low, high);
            return Outcome.Next;
        }

        private static (UInt128 Quotient, UInt128 Remainder) DivideShort(ulong dividend, ulong divisor)
        {
            (ulong quotient, ulong remainder) = Math.DivRem(dividend, divisor);
            return (quotient, remainder);
        }
    }

    private static Outcome TwoOperands<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        if (!Source<T>(s, i, out ulong b))
        {
            return SlowAccess.Failure(s);
        }

        Width.WriteRegister<T>(s, i->Destination, Product<T>(s, Width.ReadRegister<T>(s, i->Destination), b, out _));
        return Outcome.Next;
    }

    private static Outcome ThreeOperands<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        if (!Source<T>(s, i, out ulong a))
        {
            return SlowAccess.Failure(s);
        }

        Width.WriteRegister<T>(s, i->Destination, Product<T>(s, a, i->Immediate, out _));
        return Outcome.Next;
    }

    private static bool Source<T>(CpuState* s, Instruction* i, out ulong value) where T : unmanaged
    {
        if ((i->Flags & InstructionFlags.Memory) != 0)
        {
            return Width.LoadOperand<T>(s, i, out value);
        }

        value = Width.ReadRegister<T>(s, i->Source);
        return true;
    }
}
