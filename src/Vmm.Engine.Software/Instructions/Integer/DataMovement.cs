using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>MOV between general registers and memory, MOVZX, MOVSX, MOVSXD, MOVBE, MOVNTI, LEA, XCHG, XLAT, CBW and CWD families.</summary>
internal static unsafe class DataMovement
{
    public static void Register(HandlerTable table)
    {
        SetMoves<byte>(table, Code.Mov_rm8_r8, Code.Mov_r8_rm8, Code.Mov_rm8_imm8, Code.Mov_r8_imm8);
        SetMoves<ushort>(table, Code.Mov_rm16_r16, Code.Mov_r16_rm16, Code.Mov_rm16_imm16, Code.Mov_r16_imm16);
        SetMoves<uint>(table, Code.Mov_rm32_r32, Code.Mov_r32_rm32, Code.Mov_rm32_imm32, Code.Mov_r32_imm32);
        SetMoves<ulong>(table, Code.Mov_rm64_r64, Code.Mov_r64_rm64, Code.Mov_rm64_imm32, Code.Mov_r64_imm64);
        table.Set(Code.Mov_AL_moffs8, null, &Load<byte>);
        table.Set(Code.Mov_AX_moffs16, null, &Load<ushort>);
        table.Set(Code.Mov_EAX_moffs32, null, &Load<uint>);
        table.Set(Code.Mov_RAX_moffs64, null, &Load<ulong>);
        table.Set(Code.Mov_moffs8_AL, null, &Store<byte>);
        table.Set(Code.Mov_moffs16_AX, null, &Store<ushort>);
        table.Set(Code.Mov_moffs32_EAX, null, &Store<uint>);
        table.Set(Code.Mov_moffs64_RAX, null, &Store<ulong>);
        table.Set(Code.Movnti_m32_r32, null, &Store<uint>);
        table.Set(Code.Movnti_m64_r64, null, &Store<ulong>);

        SetZeroExtension<byte>(table, Code.Movzx_r16_rm8);
        SetZeroExtension<ushort>(table, Code.Movzx_r16_rm16);
        SetSignExtension<byte>(table, Code.Movsx_r16_rm8);
        SetSignExtension<ushort>(table, Code.Movsx_r16_rm16);
        table.Set(Code.Movsxd_r16_rm16, &SignExtendRegister<ushort, ushort>, &SignExtendMemory<ushort, ushort>);
        table.Set(Code.Movsxd_r32_rm32, &SignExtendRegister<uint, uint>, &SignExtendMemory<uint, uint>);
        table.Set(Code.Movsxd_r64_rm32, &SignExtendRegister<uint, ulong>, &SignExtendMemory<uint, ulong>);

        table.Set(Code.Movbe_r16_m16, null, &LoadSwapped<ushort>);
        table.Set(Code.Movbe_r32_m32, null, &LoadSwapped<uint>);
        table.Set(Code.Movbe_r64_m64, null, &LoadSwapped<ulong>);
        table.Set(Code.Movbe_m16_r16, null, &StoreSwapped<ushort>);
        table.Set(Code.Movbe_m32_r32, null, &StoreSwapped<uint>);
        table.Set(Code.Movbe_m64_r64, null, &StoreSwapped<ulong>);

        table.Set(Code.Lea_r16_m, null, &LoadAddress<ushort>);
        table.Set(Code.Lea_r32_m, null, &LoadAddress<uint>);
        table.Set(Code.Lea_r64_m, null, &LoadAddress<ulong>);
        table.Set(Code.Xlat_m8, null, &Load8ToAl);

        SetExchange<byte>(table, Code.Xchg_rm8_r8);
        SetExchange<ushort>(table, Code.Xchg_rm16_r16);
        SetExchange<uint>(table, Code.Xchg_rm32_r32);
        SetExchange<ulong>(table, Code.Xchg_rm64_r64);
        table.Set(Code.Xchg_r16_AX, &ExchangeRegisters<ushort>, null);
        table.Set(Code.Xchg_r32_EAX, &ExchangeRegisters<uint>, null);
        table.Set(Code.Xchg_r64_RAX, &ExchangeRegisters<ulong>, null);

        table.Set(Code.Cbw, &ExtendAccumulator<byte, ushort>, null);
        table.Set(Code.Cwde, &ExtendAccumulator<ushort, uint>, null);
        table.Set(Code.Cdqe, &ExtendAccumulator<uint, ulong>, null);
        table.Set(Code.Cwd, &SpreadSign<ushort>, null);
        table.Set(Code.Cdq, &SpreadSign<uint>, null);
        table.Set(Code.Cqo, &SpreadSign<ulong>, null);
    }

    private static void SetMoves<T>(HandlerTable table, Code store, Code load, Code storeImmediate, Code loadImmediate) where T : unmanaged
    {
        table.Set(store, &Copy<T>, &Store<T>);
        table.Set(load, &Copy<T>, &Load<T>);
        table.Set(storeImmediate, &LoadImmediate<T>, &StoreImmediate<T>);
        table.Set(loadImmediate, &LoadImmediate<T>, null);
    }

    private static void SetZeroExtension<TFrom>(HandlerTable table, Code first) where TFrom : unmanaged
    {
        table.Set(first, &ZeroExtendRegister<TFrom, ushort>, &ZeroExtendMemory<TFrom, ushort>);
        table.Set(first + 1, &ZeroExtendRegister<TFrom, uint>, &ZeroExtendMemory<TFrom, uint>);
        table.Set(first + 2, &ZeroExtendRegister<TFrom, ulong>, &ZeroExtendMemory<TFrom, ulong>);
    }

    private static void SetSignExtension<TFrom>(HandlerTable table, Code first) where TFrom : unmanaged
    {
        table.Set(first, &SignExtendRegister<TFrom, ushort>, &SignExtendMemory<TFrom, ushort>);
        table.Set(first + 1, &SignExtendRegister<TFrom, uint>, &SignExtendMemory<TFrom, uint>);
        table.Set(first + 2, &SignExtendRegister<TFrom, ulong>, &SignExtendMemory<TFrom, ulong>);
    }

    private static void SetExchange<T>(HandlerTable table, Code code) where T : unmanaged =>
        table.Set(code, &ExchangeRegisters<T>, &ExchangeMemory<T>);

    private static Outcome Copy<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        Width.WriteRegister<T>(s, i->Destination, Width.ReadRegister<T>(s, i->Source));
        return Outcome.Next;
    }

    private static Outcome Load<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        byte* host = Operands.FastRead<T>(s, i);
        if (host == null)
        {
            return SlowLoad<T>(s, i);
        }

        Width.WriteRegister<T>(s, i->Destination, Width.Read<T>(host));
        return Outcome.Next;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome SlowLoad<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        if (!Width.LoadOperand<T>(s, i, out ulong value))
        {
            return SlowAccess.Failure(s);
        }

        Width.WriteRegister<T>(s, i->Destination, value);
        return Outcome.Next;
    }

    private static Outcome Store<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        byte* host = Operands.FastWrite<T>(s, i);
        if (host == null)
        {
            return SlowStore<T>(s, i);
        }

        Width.Write<T>(host, Width.ReadRegister<T>(s, i->Source));
        return Outcome.Next;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome SlowStore<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Width.StoreOperand<T>(s, i, Width.ReadRegister<T>(s, i->Source)) ? Outcome.Next : SlowAccess.Failure(s);

    private static Outcome LoadImmediate<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        Width.WriteRegister<T>(s, i->Destination, i->Immediate);
        return Outcome.Next;
    }

    private static Outcome StoreImmediate<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        byte* host = Operands.FastWrite<T>(s, i);
        if (host == null)
        {
            return SlowStoreImmediate<T>(s, i);
        }

        Width.Write<T>(host, i->Immediate);
        return Outcome.Next;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome SlowStoreImmediate<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Width.StoreOperand<T>(s, i, i->Immediate) ? Outcome.Next : SlowAccess.Failure(s);

    private static Outcome ZeroExtendRegister<TFrom, TTo>(CpuState* s, Instruction* i)
        where TFrom : unmanaged
        where TTo : unmanaged
    {
        Width.WriteRegister<TTo>(s, i->Destination, Width.ReadRegister<TFrom>(s, i->Source));
        return Outcome.Next;
    }

    private static Outcome ZeroExtendMemory<TFrom, TTo>(CpuState* s, Instruction* i)
        where TFrom : unmanaged
        where TTo : unmanaged
    {
        byte* host = Operands.FastRead<TFrom>(s, i);
        if (host == null)
        {
            return SlowZeroExtendMemory<TFrom, TTo>(s, i);
        }

        Width.WriteRegister<TTo>(s, i->Destination, Width.Read<TFrom>(host));
        return Outcome.Next;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome SlowZeroExtendMemory<TFrom, TTo>(CpuState* s, Instruction* i)
        where TFrom : unmanaged
        where TTo : unmanaged
    {
        if (!Width.LoadOperand<TFrom>(s, i, out ulong value))
        {
            return SlowAccess.Failure(s);
        }

        Width.WriteRegister<TTo>(s, i->Destination, value);
        return Outcome.Next;
    }

    private static Outcome SignExtendRegister<TFrom, TTo>(CpuState* s, Instruction* i)
        where TFrom : unmanaged
        where TTo : unmanaged
    {
        Width.WriteRegister<TTo>(s, i->Destination, Width.SignExtend<TFrom>(Width.ReadRegister<TFrom>(s, i->Source)));
        return Outcome.Next;
    }

    private static Outcome SignExtendMemory<TFrom, TTo>(CpuState* s, Instruction* i)
        where TFrom : unmanaged
        where TTo : unmanaged
    {
        byte* host = Operands.FastRead<TFrom>(s, i);
        if (host == null)
        {
            return SlowSignExtendMemory<TFrom, TTo>(s, i);
        }

        Width.WriteRegister<TTo>(s, i->Destination, Width.SignExtend<TFrom>(Width.Read<TFrom>(host)));
        return Outcome.Next;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome SlowSignExtendMemory<TFrom, TTo>(CpuState* s, Instruction* i)
        where TFrom : unmanaged
        where TTo : unmanaged
    {
        if (!Width.LoadOperand<TFrom>(s, i, out ulong value))
        {
            return SlowAccess.Failure(s);
        }

        Width.WriteRegister<TTo>(s, i->Destination, Width.SignExtend<TFrom>(value));
        return Outcome.Next;
    }

    private static ulong Swap<T>(ulong value) where T : unmanaged => BinaryPrimitives.ReverseEndianness(value) >> (64 - Width.Bits<T>());

    private static Outcome LoadSwapped<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        if (!Width.LoadOperand<T>(s, i, out ulong value))
        {
            return SlowAccess.Failure(s);
        }

        Width.WriteRegister<T>(s, i->Destination, Swap<T>(value));
        return Outcome.Next;
    }

    private static Outcome StoreSwapped<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Width.StoreOperand<T>(s, i, Swap<T>(Width.ReadRegister<T>(s, i->Source))) ? Outcome.Next : SlowAccess.Failure(s);

    private static Outcome LoadAddress<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        Width.WriteRegister<T>(s, i->Destination, LinearMemory.Offset(s, i));
        return Outcome.Next;
    }

    /// <summary>XLAT: the operand is [rBX + AL]. The decoder leaves the index out, for it is AL alone and not all of RAX.</summary>
    private static Outcome Load8ToAl(CpuState* s, Instruction* i)
    {
        Instruction indexed = *i;
        indexed.Displacement = (byte)s->Gpr.Rax;
        if (!Width.LoadOperand<byte>(s, &indexed, out ulong value))
        {
            return SlowAccess.Failure(s);
        }

        Width.WriteRegister<byte>(s, (ushort)CpuState.GprOffset(0), value);
        return Outcome.Next;
    }

    private static Outcome ExchangeRegisters<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        ulong destination = Width.ReadRegister<T>(s, i->Destination);
        ulong source = Width.ReadRegister<T>(s, i->Source);
        Width.WriteRegister<T>(s, i->Destination, source);
        Width.WriteRegister<T>(s, i->Source, destination);
        return Outcome.Next;
    }

    private struct Replace : IModification
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong b) => b;
    }

    /// <summary>XCHG with memory is locked, prefix or not (SDM Vol. 2C XCHG).</summary>
    private static Outcome ExchangeMemory<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        if (!Operands.WriteAddress(s, i, sizeof(T), out ulong linear))
        {
            return SlowAccess.Failure(s);
        }

        Outcome outcome = ReadModifyWrite.At<Replace, T>(s, linear, Width.ReadRegister<T>(s, i->Source), locked: true, out ulong old);
        if (outcome == Outcome.Next)
        {
            Width.WriteRegister<T>(s, i->Source, old);
        }

        return outcome;
    }

    private static Outcome ExtendAccumulator<TFrom, TTo>(CpuState* s, Instruction* i)
        where TFrom : unmanaged
        where TTo : unmanaged
    {
        Width.WriteRegister<TTo>(s, (ushort)CpuState.GprOffset(0), Width.SignExtend<TFrom>(s->Gpr.Rax));
        return Outcome.Next;
    }

    /// <summary>CWD, CDQ, CQO: the sign of the accumulator fills rDX.</summary>
    private static Outcome SpreadSign<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        ulong sign = (ulong)((long)Width.SignExtend<T>(s->Gpr.Rax) >> 63);
        Width.WriteRegister<T>(s, (ushort)CpuState.GprOffset(2), sign);
        return Outcome.Next;
    }
}
