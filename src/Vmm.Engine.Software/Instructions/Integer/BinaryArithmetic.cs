using System.Runtime.CompilerServices;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Integer;

internal unsafe struct Add : IModification
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
    {
        ulong result = a + b;
        ArithmeticFlags.SetAdd(s, bits, a, b, result);
        return result;
    }
}

internal unsafe struct AddWithCarry : IModification
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
    {
        ulong result = a + b + (ArithmeticFlags.CarryFlag(s) ? 1UL : 0);
        ArithmeticFlags.SetAdd(s, bits, a, b, result);
        return result;
    }
}

internal unsafe struct Subtract : IModification
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
    {
        ulong result = a - b;
        ArithmeticFlags.SetSubtract(s, bits, a, b, result);
        return result;
    }
}

internal unsafe struct SubtractWithBorrow : IModification
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
    {
        ulong result = a - b - (ArithmeticFlags.CarryFlag(s) ? 1UL : 0);
        ArithmeticFlags.SetSubtract(s, bits, a, b, result);
        return result;
    }
}

internal unsafe struct And : IModification
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
    {
        ulong result = a & b;
        ArithmeticFlags.SetLogic(s, bits, result);
        return result;
    }
}

internal unsafe struct Or : IModification
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
    {
        ulong result = a | b;
        ArithmeticFlags.SetLogic(s, bits, result);
        return result;
    }
}

internal unsafe struct Xor : IModification
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
    {
        ulong result = a ^ b;
        ArithmeticFlags.SetLogic(s, bits, result);
        return result;
    }
}

/// <summary>ADD, OR, ADC, SBB, AND, SUB, XOR, CMP and TEST in all their forms.</summary>
internal static unsafe class BinaryArithmetic
{
    public static void Register(HandlerTable table)
    {
        Set<Add>(table, Code.Add_rm8_r8, 0);
        Set<Or>(table, Code.Or_rm8_r8, 1);
        Set<AddWithCarry>(table, Code.Adc_rm8_r8, 2);
        Set<SubtractWithBorrow>(table, Code.Sbb_rm8_r8, 3);
        Set<And>(table, Code.And_rm8_r8, 4);
        Set<Subtract>(table, Code.Sub_rm8_r8, 5);
        Set<Xor>(table, Code.Xor_rm8_r8, 6);
        SetComparison(table);
        SetTest(table);
    }

    /// <summary>
    /// Iced numbers the forms of one operation in a row from rm8_r8, and those with immediates side by side with the
    /// other operations of their opcode group, in the order of the ModR/M reg field.
    /// </summary>
    private static void Set<TOperation>(HandlerTable table, Code first, int group) where TOperation : struct, IModification
    {
        table.Set(first, &RegisterRegister<TOperation, byte>, &MemoryRegister<TOperation, byte>);
        table.Set(first + 1, &RegisterRegister<TOperation, ushort>, &MemoryRegister<TOperation, ushort>);
        table.Set(first + 2, &RegisterRegister<TOperation, uint>, &MemoryRegister<TOperation, uint>);
        table.Set(first + 3, &RegisterRegister<TOperation, ulong>, &MemoryRegister<TOperation, ulong>);
        table.Set(first + 4, &RegisterRegister<TOperation, byte>, &RegisterMemory<TOperation, byte>);
        table.Set(first + 5, &RegisterRegister<TOperation, ushort>, &RegisterMemory<TOperation, ushort>);
        table.Set(first + 6, &RegisterRegister<TOperation, uint>, &RegisterMemory<TOperation, uint>);
        table.Set(first + 7, &RegisterRegister<TOperation, ulong>, &RegisterMemory<TOperation, ulong>);
        table.Set(first + 8, &RegisterImmediate<TOperation, byte>, null);
        table.Set(first + 9, &RegisterImmediate<TOperation, ushort>, null);
        table.Set(first + 10, &RegisterImmediate<TOperation, uint>, null);
        table.Set(first + 11, &RegisterImmediate<TOperation, ulong>, null);
        table.Set(Code.Add_rm8_imm8 + group, &RegisterImmediate<TOperation, byte>, &MemoryImmediate<TOperation, byte>);
        table.Set(Code.Add_rm8_imm8_82 + group, &RegisterImmediate<TOperation, byte>, &MemoryImmediate<TOperation, byte>);
        foreach (Code code in (ReadOnlySpan<Code>)[Code.Add_rm16_imm16, Code.Add_rm16_imm8])
        {
            Code form = code + (3 * group);
            table.Set(form, &RegisterImmediate<TOperation, ushort>, &MemoryImmediate<TOperation, ushort>);
            table.Set(form + 1, &RegisterImmediate<TOperation, uint>, &MemoryImmediate<TOperation, uint>);
            table.Set(form + 2, &RegisterImmediate<TOperation, ulong>, &MemoryImmediate<TOperation, ulong>);
        }
    }

    private static void SetComparison(HandlerTable table)
    {
        const Code first = Code.Cmp_rm8_r8;
        const int group = 7;
        table.Set(first, &CompareRegisters<Subtract, byte>, &CompareMemoryRegister<Subtract, byte>);
        table.Set(first + 1, &CompareRegisters<Subtract, ushort>, &CompareMemoryRegister<Subtract, ushort>);
        table.Set(first + 2, &CompareRegisters<Subtract, uint>, &CompareMemoryRegister<Subtract, uint>);
        table.Set(first + 3, &CompareRegisters<Subtract, ulong>, &CompareMemoryRegister<Subtract, ulong>);
        table.Set(first + 4, &CompareRegisters<Subtract, byte>, &CompareRegisterMemory<Subtract, byte>);
        table.Set(first + 5, &CompareRegisters<Subtract, ushort>, &CompareRegisterMemory<Subtract, ushort>);
        table.Set(first + 6, &CompareRegisters<Subtract, uint>, &CompareRegisterMemory<Subtract, uint>);
        table.Set(first + 7, &CompareRegisters<Subtract, ulong>, &CompareRegisterMemory<Subtract, ulong>);
        SetComparisonImmediates<Subtract>(table, first + 8, null);
        table.Set(Code.Add_rm8_imm8 + group, &CompareRegisterImmediate<Subtract, byte>, &CompareMemoryImmediate<Subtract, byte>);
        table.Set(Code.Add_rm8_imm8_82 + group, &CompareRegisterImmediate<Subtract, byte>, &CompareMemoryImmediate<Subtract, byte>);
        foreach (Code code in (ReadOnlySpan<Code>)[Code.Cmp_rm16_imm16, Code.Cmp_rm16_imm8])
        {
            table.Set(code, &CompareRegisterImmediate<Subtract, ushort>, &CompareMemoryImmediate<Subtract, ushort>);
            table.Set(code + 1, &CompareRegisterImmediate<Subtract, uint>, &CompareMemoryImmediate<Subtract, uint>);
            table.Set(code + 2, &CompareRegisterImmediate<Subtract, ulong>, &CompareMemoryImmediate<Subtract, ulong>);
        }
    }

    private static void SetTest(HandlerTable table)
    {
        table.Set(Code.Test_rm8_r8, &CompareRegisters<And, byte>, &CompareMemoryRegister<And, byte>);
        table.Set(Code.Test_rm16_r16, &CompareRegisters<And, ushort>, &CompareMemoryRegister<And, ushort>);
        table.Set(Code.Test_rm32_r32, &CompareRegisters<And, uint>, &CompareMemoryRegister<And, uint>);
        table.Set(Code.Test_rm64_r64, &CompareRegisters<And, ulong>, &CompareMemoryRegister<And, ulong>);
        SetComparisonImmediates<And>(table, Code.Test_AL_imm8, null);
        foreach (Code code in (ReadOnlySpan<Code>)[Code.Test_rm8_imm8, Code.Test_rm8_imm8_F6r1])
        {
            table.Set(code, &CompareRegisterImmediate<And, byte>, &CompareMemoryImmediate<And, byte>);
        }

        foreach (Code code in (ReadOnlySpan<Code>)[Code.Test_rm16_imm16, Code.Test_rm16_imm16_F7r1])
        {
            table.Set(code, &CompareRegisterImmediate<And, ushort>, &CompareMemoryImmediate<And, ushort>);
            table.Set(code + 1, &CompareRegisterImmediate<And, uint>, &CompareMemoryImmediate<And, uint>);
            table.Set(code + 2, &CompareRegisterImmediate<And, ulong>, &CompareMemoryImmediate<And, ulong>);
        }
    }

    private static void SetComparisonImmediates<TOperation>(
        HandlerTable table, Code first, delegate*<CpuState*, Instruction*, Outcome> memory)
        where TOperation : struct, IModification
    {
        table.Set(first, &CompareRegisterImmediate<TOperation, byte>, memory);
        table.Set(first + 1, &CompareRegisterImmediate<TOperation, ushort>, memory);
        table.Set(first + 2, &CompareRegisterImmediate<TOperation, uint>, memory);
        table.Set(first + 3, &CompareRegisterImmediate<TOperation, ulong>, memory);
    }

    private static Outcome RegisterRegister<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        ulong a = Width.ReadRegister<T>(s, i->Destination);
        ulong b = Width.ReadRegister<T>(s, i->Source);
        Width.WriteRegister<T>(s, i->Destination, TOperation.Apply(s, Width.Bits<T>(), a, b));
        return Outcome.Next;
    }

    private static Outcome RegisterImmediate<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        ulong a = Width.ReadRegister<T>(s, i->Destination);
        Width.WriteRegister<T>(s, i->Destination, TOperation.Apply(s, Width.Bits<T>(), a, i->Immediate));
        return Outcome.Next;
    }

    private static Outcome RegisterMemory<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        byte* host = Operands.FastRead<T>(s, i);
        if (host == null)
        {
            return SlowRegisterMemory<TOperation, T>(s, i);
        }

        ulong a = Width.ReadRegister<T>(s, i->Destination);
        Width.WriteRegister<T>(s, i->Destination, TOperation.Apply(s, Width.Bits<T>(), a, Width.Read<T>(host)));
        return Outcome.Next;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome SlowRegisterMemory<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        if (!Width.LoadOperand<T>(s, i, out ulong b))
        {
            return SlowAccess.Failure(s);
        }

        ulong a = Width.ReadRegister<T>(s, i->Destination);
        Width.WriteRegister<T>(s, i->Destination, TOperation.Apply(s, Width.Bits<T>(), a, b));
        return Outcome.Next;
    }

    private static Outcome MemoryRegister<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        byte* host = Operands.FastWrite<T>(s, i);
        if (host == null)
        {
            return SlowMemoryRegister<TOperation, T>(s, i);
        }

        Width.Write<T>(host, TOperation.Apply(s, Width.Bits<T>(), Width.Read<T>(host), Width.ReadRegister<T>(s, i->Source)));
        return Outcome.Next;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome SlowMemoryRegister<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged =>
        ReadModifyWrite.Memory<TOperation, T>(s, i, Width.ReadRegister<T>(s, i->Source));

    private static Outcome MemoryImmediate<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        byte* host = Operands.FastWrite<T>(s, i);
        if (host == null)
        {
            return SlowMemoryImmediate<TOperation, T>(s, i);
        }

        Width.Write<T>(host, TOperation.Apply(s, Width.Bits<T>(), Width.Read<T>(host), i->Immediate));
        return Outcome.Next;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome SlowMemoryImmediate<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged =>
        ReadModifyWrite.Memory<TOperation, T>(s, i, i->Immediate);

    private static Outcome CompareRegisters<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        TOperation.Apply(s, Width.Bits<T>(), Width.ReadRegister<T>(s, i->Destination), Width.ReadRegister<T>(s, i->Source));
        return Outcome.Next;
    }

    private static Outcome CompareRegisterImmediate<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        TOperation.Apply(s, Width.Bits<T>(), Width.ReadRegister<T>(s, i->Destination), i->Immediate);
        return Outcome.Next;
    }

    private static Outcome CompareMemoryRegister<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        byte* host = Operands.FastRead<T>(s, i);
        if (host == null)
        {
            return SlowCompareMemoryRegister<TOperation, T>(s, i);
        }

        TOperation.Apply(s, Width.Bits<T>(), Width.Read<T>(host), Width.ReadRegister<T>(s, i->Source));
        return Outcome.Next;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome SlowCompareMemoryRegister<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        if (!Width.LoadOperand<T>(s, i, out ulong a))
        {
            return SlowAccess.Failure(s);
        }

        TOperation.Apply(s, Width.Bits<T>(), a, Width.ReadRegister<T>(s, i->Source));
        return Outcome.Next;
    }

    private static Outcome CompareRegisterMemory<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        byte* host = Operands.FastRead<T>(s, i);
        if (host == null)
        {
            return SlowCompareRegisterMemory<TOperation, T>(s, i);
        }

        TOperation.Apply(s, Width.Bits<T>(), Width.ReadRegister<T>(s, i->Destination), Width.Read<T>(host));
        return Outcome.Next;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome SlowCompareRegisterMemory<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        if (!Width.LoadOperand<T>(s, i, out ulong b))
        {
            return SlowAccess.Failure(s);
        }

        TOperation.Apply(s, Width.Bits<T>(), Width.ReadRegister<T>(s, i->Destination), b);
        return Outcome.Next;
    }

    private static Outcome CompareMemoryImmediate<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        byte* host = Operands.FastRead<T>(s, i);
        if (host == null)
        {
            return SlowCompareMemoryImmediate<TOperation, T>(s, i);
        }

        TOperation.Apply(s, Width.Bits<T>(), Width.Read<T>(host), i->Immediate);
        return Outcome.Next;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome SlowCompareMemoryImmediate<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        if (!Width.LoadOperand<T>(s, i, out ulong a))
        {
            return SlowAccess.Failure(s);
        }

        TOperation.Apply(s, Width.Bits<T>(), a, i->Immediate);
        return Outcome.Next;
    }
}
