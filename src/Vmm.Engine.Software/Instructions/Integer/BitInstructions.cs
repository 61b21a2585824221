using System.Numerics;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.Integer;

/// <summary>BT, BTS, BTR, BTC; BSF, BSR, TZCNT, LZCNT, POPCNT; CRC32.</summary>
internal static unsafe class BitInstructions
{
    public static void Register(HandlerTable table)
    {
        SetTest(table, Code.Bt_rm16_r16, Code.Bt_rm16_imm8);
        Set<BitSet>(table, Code.Bts_rm16_r16, Code.Bts_rm16_imm8);
        Set<BitReset>(table, Code.Btr_rm16_r16, Code.Btr_rm16_imm8);
        Set<BitComplement>(table, Code.Btc_rm16_r16, Code.Btc_rm16_imm8);
        SetScan<ScanForward>(table, Code.Bsf_r16_rm16);
        SetScan<ScanReverse>(table, Code.Bsr_r16_rm16);
        SetScan<CountTrailingZeros>(table, Code.Tzcnt_r16_rm16);
        SetScan<CountLeadingZeros>(table, Code.Lzcnt_r16_rm16);
        SetScan<CountOnes>(table, Code.Popcnt_r16_rm16);
        table.Set(Code.Crc32_r32_rm8, &Crc32<byte>);
        table.Set(Code.Crc32_r64_rm8, &Crc32<byte>);
        table.Set(Code.Crc32_r32_rm16, &Crc32<ushort>);
        table.Set(Code.Crc32_r32_rm32, &Crc32<uint>);
        table.Set(Code.Crc32_r64_rm64, &Crc32<ulong>);
    }

    // The bit number arrives in b, within the operand. CF is the old bit; the other flags stay (ZF by definition).
    private struct BitSet : IModification
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
        {
            ArithmeticFlags.SetCarryKeepingOverflow(s, ((a >> (int)b) & 1) != 0);
            return a | (1UL << (int)b);
        }
    }

    private struct BitReset : IModification
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
        {
            ArithmeticFlags.SetCarryKeepingOverflow(s, ((a >> (int)b) & 1) != 0);
            return a & ~(1UL << (int)b);
        }
    }

    private struct BitComplement : IModification
    {
        public static ulong Apply(CpuState* s, int bits, ulong a, ulong b)
        {
            ArithmeticFlags.SetCarryKeepingOverflow(s, ((a >> (int)b) & 1) != 0);
            return a ^ (1UL << (int)b);
        }
    }

    private static void SetTest(HandlerTable table, Code byRegister, Code byImmediate)
    {
        table.Set(byRegister, &TestRegisterByRegister<ushort>, &TestMemoryByRegister<ushort>);
        table.Set(byRegister + 1, &TestRegisterByRegister<uint>, &TestMemoryByRegister<uint>);
        table.Set(byRegister + 2, &TestRegisterByRegister<ulong>, &TestMemoryByRegister<ulong>);
        table.Set(byImmediate, &TestRegisterByImmediate<ushort>, &TestMemoryByImmediate<ushort>);
        table.Set(byImmediate + 1, &TestRegisterByImmediate<uint>, &TestMemoryByImmediate<uint>);
        table.Set(byImmediate + 2, &TestRegisterByImmediate<ulong>, &TestMemoryByImmediate<ulong>);
    }

    private static void Set<TOperation>(HandlerTable table, Code byRegister, Code byImmediate) where TOperation : struct, IModification
    {
        table.Set(byRegister, &RegisterByRegister<TOperation, ushort>, &MemoryByRegister<TOperation, ushort>);
        table.Set(byRegister + 1, &RegisterByRegister<TOperation, uint>, &MemoryByRegister<TOperation, uint>);
        table.Set(byRegister + 2, &RegisterByRegister<TOperation, ulong>, &MemoryByRegister<TOperation, ulong>);
        table.Set(byImmediate, &RegisterByImmediate<TOperation, ushort>, &MemoryByImmediate<TOperation, ushort>);
        table.Set(byImmediate + 1, &RegisterByImmediate<TOperation, uint>, &MemoryByImmediate<TOperation, uint>);
        table.Set(byImmediate + 2, &RegisterByImmediate<TOperation, ulong>, &MemoryByImmediate<TOperation, ulong>);
    }

    private static ulong Within<T>(ulong bit) where T : unmanaged => bit & (ulong)(Width.Bits<T>() - 1);

    private static Outcome TestBit(CpuState* s, ulong value, ulong bit)
    {
        ArithmeticFlags.SetCarryKeepingOverflow(s, ((value >> (int)bit) & 1) != 0);
        return Outcome.Next;
    }

    private static Outcome TestRegisterByRegister<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        TestBit(s, Width.ReadRegister<T>(s, i->Destination), Within<T>(Width.ReadRegister<T>(s, i->Source)));

    private static Outcome TestRegisterByImmediate<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        TestBit(s, Width.ReadRegister<T>(s, i->Destination), Within<T>(i->Immediate));

    private static Outcome TestMemoryByImmediate<T>(CpuState* s, Instruction* i) where T : unmanaged =>
        Width.LoadOperand<T>(s, i, out ulong value) ? TestBit(s, value, Within<T>(i->Immediate)) : SlowAccess.Failure(s);

    private static Outcome TestMemoryByRegister<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        ulong bit = Width.ReadRegister<T>(s, i->Source);
        Instruction moved = BitString<T>(i, bit);
        return Width.LoadOperand<T>(s, &moved, out ulong value) ? TestBit(s, value, Within<T>(bit)) : SlowAccess.Failure(s);
    }

    private static Outcome RegisterByRegister<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged =>
        InRegister<TOperation, T>(s, i, Width.ReadRegister<T>(s, i->Source));

    private static Outcome RegisterByImmediate<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged =>
        InRegister<TOperation, T>(s, i, i->Immediate);

    private static Outcome InRegister<TOperation, T>(CpuState* s, Instruction* i, ulong bit)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        ulong a = Width.ReadRegister<T>(s, i->Destination);
        Width.WriteRegister<T>(s, i->Destination, TOperation.Apply(s, Width.Bits<T>(), a, Within<T>(bit)));
        return Outcome.Next;
    }

    private static Outcome MemoryByImmediate<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged =>
        ReadModifyWrite.Memory<TOperation, T>(s, i, Within<T>(i->Immediate));

    private static Outcome MemoryByRegister<TOperation, T>(CpuState* s, Instruction* i)
        where TOperation : struct, IModification
        where T : unmanaged
    {
        ulong bit = Width.ReadRegister<T>(s, i->Source);
        Instruction moved = BitString<T>(i, bit);
        return ReadModifyWrite.Memory<TOperation, T>(s, &moved, Within<T>(bit));
    }

    /// <summary>With a register as bit number, memory is a string of bits: the signed number chooses the operand (SDM Vol. 1 3.5).</summary>
    private static Instruction BitString<T>(Instruction* i, ulong bit) where T : unmanaged
    {
        Instruction moved = *i;
        long units = (long)Width.SignExtend<T>(bit) >> BitOperations.Log2((uint)Width.Bits<T>());
        moved.Displacement += (ulong)(units * sizeof(T));
        return moved;
    }

    /// <summary>A count or scan of a source into a register.</summary>
    private interface IScan
    {
        static abstract void Apply<T>(CpuState* s, ushort destination, ulong source) where T : unmanaged;
    }

    private static void SetScan<TScan>(HandlerTable table, Code first) where TScan : struct, IScan
    {
        table.Set(first, &Scan<TScan, ushort>);
        table.Set(first + 1, &Scan<TScan, uint>);
        table.Set(first + 2, &Scan<TScan, ulong>);
    }

    private static Outcome Scan<TScan, T>(CpuState* s, Instruction* i)
        where TScan : struct, IScan
        where T : unmanaged
    {
        ulong source;
        if ((i->Flags & InstructionFlags.Memory) == 0)
        {
            source = Width.ReadRegister<T>(s, i->Source);
        }
        else if (!Width.LoadOperand<T>(s, i, out source))
        {
            return SlowAccess.Failure(s);
        }

        TScan.Apply<T>(s, i->Destination, source);
        return Outcome.Next;
    }

    // A zero source leaves the destination alone, as processors do, and sets ZF; the other flags are undefined.
    private struct ScanForward : IScan
    {
        public static void Apply<T>(CpuState* s, ushort destination, ulong source) where T : unmanaged
        {
            ArithmeticFlags.SetLogic(s, 64, source);
            if (source != 0)
            {
                Width.WriteRegister<T>(s, destination, (ulong)BitOperations.TrailingZeroCount(source));
            }
        }
    }

    private struct ScanReverse : IScan
    {
        public static void Apply<T>(CpuState* s, ushort destination, ulong source) where T : unmanaged
        {
            ArithmeticFlags.SetLogic(s, 64, source);
            if (source != 0)
            {
                Width.WriteRegister<T>(s, destination, (ulong)BitOperations.Log2(source));
            }
        }
    }

    private struct CountTrailingZeros : IScan
    {
        public static void Apply<T>(CpuState* s, ushort destination, ulong source) where T : unmanaged
        {
            ulong count = source == 0 ? (ulong)Width.Bits<T>() : (ulong)BitOperations.TrailingZeroCount(source);
            Width.WriteRegister<T>(s, destination, count);
            ArithmeticFlags.SetResult(s, 64, count, source == 0, false);
        }
    }

    private struct CountLeadingZeros : IScan
    {
        public static void Apply<T>(CpuState* s, ushort destination, ulong source) where T : unmanaged
        {
            ulong count = (ulong)(BitOperations.LeadingZeroCount(source) - (64 - Width.Bits<T>()));
            Width.WriteRegister<T>(s, destination, count);
            ArithmeticFlags.SetResult(s, 64, count, source == 0, false);
        }
    }

    private struct CountOnes : IScan
    {
        public static void Apply<T>(CpuState* s, ushort destination, ulong source) where T : unmanaged
        {
            Width.WriteRegister<T>(s, destination, (ulong)BitOperations.PopCount(source));

            // ZF by the source; all others clear, PF too.
            ArithmeticFlags.Write(s, source == 0 ? ArithmeticFlags.Zero : 0);
        }
    }

    private static Outcome Crc32<T>(CpuState* s, Instruction* i) where T : unmanaged
    {
        ulong source;
        if ((i->Flags & InstructionFlags.Memory) == 0)
        {
            source = Width.ReadRegister<T>(s, i->Source);
        }
        else if (!Width.LoadOperand<T>(s, i, out source))
        {
            return SlowAccess.Failure(s);
        }

        uint crc = (uint)Width.ReadRegister<uint>(s, i->Destination);
        crc = sizeof(T) switch
        {
            1 => BitOperations.Crc32C(crc, (byte)source),
            2 => BitOperations.Crc32C(crc, (ushort)source),
            4 => BitOperations.Crc32C(crc, (uint)source),
            _ => BitOperations.Crc32C(crc, source),
        };
        Width.WriteRegister<uint>(s, i->Destination, crc);
        return Outcome.Next;
    }
}
