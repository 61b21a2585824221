using System.Numerics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>BMI1, BMI2 and ADX.</summary>
internal static unsafe class BitManipulation
{
    public static void Register(HandlerTable table)
    {
        SetLast<AndNot>(table, Code.VEX_Andn_r32_r32_rm32);
        SetLast<Deposit>(table, Code.VEX_Pdep_r32_r32_rm32);
        SetLast<ExtractBits>(table, Code.VEX_Pext_r32_r32_rm32);
        SetMiddle<ZeroHighBits>(table, Code.VEX_Bzhi_r32_rm32_r32);
        SetMiddle<ExtractField>(table, Code.VEX_Bextr_r32_rm32_r32);
        SetMiddle<ShiftLeftFlagless>(table, Code.VEX_Shlx_r32_rm32_r32);
        SetMiddle<ShiftRightFlagless>(table, Code.VEX_Shrx_r32_rm32_r32);
        SetMiddle<ShiftArithmeticFlagless>(table, Code.VEX_Sarx_r32_rm32_r32);
        SetUnary<IsolateLowest>(table, Code.VEX_Blsi_r32_rm32);
        SetUnary<MaskLowest>(table, Code.VEX_Blsmsk_r32_rm32);
        SetUnary<ResetLowest>(table, Code.VEX_Blsr_r32_rm32);
        table.Set(Code.VEX_Rorx_r32_rm32_imm8, &RotateByImmediate<uint>);
        table.Set(Code.VEX_Rorx_r64_rm64_imm8, &RotateByImmediate<ulong>);
        table.Set(Code.VEX_Mulx_r32_r32_rm32, &MultiplyFlagless<uint>);
        table.Set(Code.VEX_Mulx_r64_r64_rm64, &MultiplyFlagless<ulong>);
        table.Set(Code.Adcx_r32_rm32, &AddThroughCarry<uint>);
        table.Set(Code.Adcx_r64_rm64, &AddThroughCarry<ulong>);
        table.Set(Code.Adox_r32_rm32, &AddThroughOverflow<uint>);
        table.Set(Code.Adox_r64_rm64, &AddThroughOverflow<ulong>);
    }

    /// <summary>result = operation(first source, second source).</summary>
    private interface IOperation
    {
        static abstract ulong Apply(CpuState* s, int bits, ulong a, ulong b);
    }

    private struct AndNot : IOperation
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
        {
            ulong result = ~a & b;
            ArithmeticFlags.SetLogic(s, bits, result);
            return result;
        }
    }

    private struct Deposit : IOperation
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong mask)
        {
            ulong result = 0;
            for (; mask != 0; mask &= mask - 1, a >>= 1)
            {
                result |= (a & 1) != 0 ? mask & (0 - mask) : 0;
            }

            return result;
        }
    }

    private struct ExtractBits : IOperation
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong mask)
        {
            ulong result = 0;
            for (int n = 0; mask != 0; mask &= mask - 1, n++)
            {
                result |= (a & mask & (0 - mask)) != 0 ? 1UL << n : 0;
            }

            return result;
        }
    }

    private struct ZeroHighBits : IOperation
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
        {
            int index = (byte)b;
            ulong result = index < bits ? a & ((1UL << index) - 1) : a;
            ArithmeticFlags.SetResult(s, bits, result, index >= bits, false);
            return result;
        }
    }

    private struct ExtractField : IOperation
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
        {
            int start = (byte)b;
            int length = (byte)(b >> 8);
            ulong result = start < bits ? a >> start : 0;
            result = length < 64 ? result & ((1UL << length) - 1) : result;

            // ZF by the result; SF, AF and PF are undefined.
            ArithmeticFlags.SetLogic(s, 64, result);
            return result;
        }
    }

    private struct ShiftLeftFlagless : IOperation
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong b) => a << ((int)b & (bits - 1));
    }

    private struct ShiftRightFlagless : IOperation
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong b) => a >> ((int)b & (bits - 1));
    }

    private struct ShiftArithmeticFlagless : IOperation
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong b) =>
            (ulong)(((long)(a << (64 - bits)) >> (64 - bits)) >> ((int)b & (bits - 1)));
    }

    private struct IsolateLowest : IOperation
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
        {
            ulong result = a & (0 - a);
            ArithmeticFlags.SetResult(s, bits, result, a != 0, false);
            return result;
        }
    }

    private struct MaskLowest : IOperation
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
        {
            ulong result = a ^ (a - 1);
            ArithmeticFlags.SetResult(s, bits, result, a == 0, false);
            return result;
        }
    }

    private struct ResetLowest : IOperation
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
        {
            ulong result = a & (a - 1);
            ArithmeticFlags.SetResult(s, bits, result, a == 0, false);
            return result;
        }
    }

    private static void SetLast<TOperation>(HandlerTable table, Code first) where TOperation : struct, IOperation
    {
        table.Set(first, &RegisterThenOperand<TOperation, uint>);
        table.Set(first + 1, &RegisterThenOperand<TOperation, ulong>);
    }

    private static void SetMiddle<TOperation>(HandlerTable table, Code first) where TOperation : struct, IOperation
    {
        table.Set(first, &OperandThenRegister<TOperation, uint>);
        table.Set(first + 1, &OperandThenRegister<TOperation, ulong>);
    }

    private static void SetUnary<TOperation>(HandlerTable table, Code first) where TOperation : struct, IOperation
    {
        table.Set(first, &Unary<TOperation, uint>);
        table.Set(first + 1, &Unary<TOperation, ulong>);
    }

    /// <summary>Reads the r/m operand, register <paramref name="register"/> when it is one.</summary>
    private static bool Operand<T>(CpuState* s, Instruction* i, ushort register, out ulong value) where T : unmanaged
    {
        if ((i->Flags & InstructionFlags.Memory) != 0)
        {
            return Width.LoadOperand<T>(s, i, out value);
        }

        value = Width.ReadRegister<T>(s, register);
        return true;
    }

    // Operands: destination, register, r/m.
    private static Outcome RegisterThenOperand<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IOperation
        where T : unmanaged
    {
        if (!Operand<T>(s, i, i->Source2, out ulong b))
        {
            return SlowAccess.Failure(s);
        }

        Width.WriteRegister<T>(s, i->Destination, TOperation.Apply(s, Width.Bits<T>(), Width.ReadRegister<T>(s, i->Source), b));
        return Outcome.Next;
    }

    // Operands: destination, r/m, register.
    private static Outcome OperandThenRegister<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IOperation
        where T : unmanaged
    {
        if (!Operand<T>(s, i, i->Source, out ulong a))
        {
            return SlowAccess.Failure(s);
        }

        Width.WriteRegister<T>(s, i->Destination, TOperation.Apply(s, Width.Bits<T>(), a, Width.ReadRegister<T>(s, i->Source2)));
        return Outcome.Next;
    }

    private static Outcome Unary<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IOperation
        where T : unmanaged
    {
        if (!Operand<T>(s, i, i->Source, out ulong a))
        {
            return SlowAccess.Failure(s);
        }

        Width.WriteRegister<T>(s, i->Destination, TOperation.Apply(s, Width.Bits<T>(), a, 0));
        return Outcome.Next;
    }

    private static Outcome RotateByImmediate<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        if (!Operand<T>(s, i, i->Source, out ulong a))
        {
            return SlowAccess.Failure(s);
        }

        int count = (int)i->Immediate;
        Width.WriteRegister<T>(s, i->Destination, sizeof(T) == 4 ? uint.RotateRight((uint)a, count) : ulong.RotateRight(a, count));
        return Outcome.Next;
    }

    /// <summary>MULX: high half to the first operand, low to the second; equal registers get the high half (SDM Vol. 2B MULX).</summary>
    private static Outcome MultiplyFlagless<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        if (!Operand<T>(s, i, i->Source2, out ulong b))
        {
            return SlowAccess.Failure(s);
        }

        ulong high = Math.BigMul(Width.Truncate<T>(s->Gpr.Rdx), b, out ulong low);
        if (sizeof(T) == 4)
        {
            high = low >> 32;
        }

        Width.WriteRegister<T>(s, i->Source, low);
        Width.WriteRegister<T>(s, i->Destination, high);
        return Outcome.Next;
    }

    private static Outcome AddThroughCarry<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        if (!Operand<T>(s, i, i->Source, out ulong b))
        {
            return SlowAccess.Failure(s);
        }

        bool carry = Sum<T>(s, i, b, ArithmeticFlags.CarryFlag(s));
        ArithmeticFlags.SetCarryKeepingOverflow(s, carry);
        return Outcome.Next;
    }

    private static Outcome AddThroughOverflow<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        if (!Operand<T>(s, i, i->Source, out ulong b))
        {
            return SlowAccess.Failure(s);
        }

        bool overflow = Sum<T>(s, i, b, ArithmeticFlags.OverflowFlag(s));
        ArithmeticFlags.SetCarryAndOverflow(s, ArithmeticFlags.CarryFlag(s), overflow);
        return Outcome.Next;
    }

    /// <summary>Adds with carry into the destination and returns the carry out.</summary>
    private static bool Sum<T>(CpuState* s, Instruction* i, ulong b, bool carryIn) where T : unmanaged
    {
        UInt128 sum = (UInt128)Width.ReadRegister<T>(s, i->Destination) + b + (carryIn ? UInt128.One : UInt128.Zero);
        Width.WriteRegister<T>(s, i->Destination, (ulong)sum);
        return sum >> Width.Bits<T>() != UInt128.Zero;
    }
}
