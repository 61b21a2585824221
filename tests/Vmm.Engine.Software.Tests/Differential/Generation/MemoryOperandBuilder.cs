using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Generation;

/// <summary>Chooses where a memory operand is and how the instruction says so; sets the registers that it says it with.</summary>
internal sealed unsafe class MemoryOperandBuilder(InstructionForm form, CaseSlot* slot, CaseRandom random)
{
    private const ulong NonCanonical = 0x0000_8000_0000_0000;

    private readonly bool _wide = form.Bitness == 64 && !random.Chance(12);

    /// <summary>An address for an operand of some bytes: mostly in the data, sometimes across or beyond its ends.</summary>
    public static ulong ChooseAddress(int size, bool wide, CaseRandom random)
    {
        ulong inside = CaseLayout.Data + (ulong)random.Below(CaseLayout.DataSize - size + 1);
        ulong within = (ulong)random.Below(Math.Max(size, 2));
        return random.Below(100) switch
        {
            < 70 => inside & ~(size > 16 ? 63UL : 15UL),
            < 84 => inside,
            < 88 => CaseLayout.Data + CaseLayout.PageSize - within,
            < 90 => CaseLayout.Data - within,
            < 92 => CaseLayout.ReadOnlyData - within,
            < 94 => CaseLayout.ReadOnlyData + (within * 16),
            < 96 => CaseLayout.DataEnd - within,
            < 97 => CaseLayout.Data - 64 - within,
            < 98 => CaseLayout.DataEnd + within,
            98 when wide => NonCanonical + within,
            99 when wide => random.Next() | NonCanonical & ~(1UL << 63),
            _ => inside & ~63UL,
        };
    }

    public void Build(ref Instruction instruction, bool absolute)
    {
        int size = Math.Max(1, form.MemorySize);
        bool atomic = instruction.Mnemonic == Mnemonic.Xchg || form.Info.CanUseLockPrefix;

        // With a bit offset the accessed address is another; makers differ in which of the two they check.
        ulong address = ChooseAddress(size, _wide && BitOffsetRegister(instruction) < 0, random);
        if (atomic && address < NonCanonical)
        {
            // A locked access across cache lines is slow, or forbidden by the operating system.
            address &= ~(ulong)(Math.Max(size, 8) - 1);
        }

        if (instruction.Mnemonic == Mnemonic.Lea)
        {
            address = random.Integer();
        }

        ulong offset = address - form.DataBase - ChooseSegment(ref instruction, address);
        if (absolute)
        {
            instruction.MemoryDisplSize = _wide ? 8 : form.Bitness == 16 ? 2 : 4;
            instruction.MemoryDisplacement64 = _wide ? offset : form.Bitness == 16 ? (ushort)offset : (uint)offset;
            return;
        }

        if (form.Bitness == 16 ? random.Chance(75) : form.Bitness == 32 && random.Chance(4))
        {
            ShortAddress(ref instruction, offset);
            return;
        }

        int shape = random.Below(10);
        if (form.Bitness == 64 && shape == 0 && FitsFromRip(offset))
        {
            instruction.MemoryBase = _wide ? Register.RIP : Register.EIP;
            instruction.MemoryDisplSize = _wide ? 8 : 4;
            instruction.MemoryDisplacement64 = _wide ? offset : (uint)offset;
        }
        else if (shape == 1 && offset <= int.MaxValue)
        {
            instruction.MemoryDisplSize = _wide ? 8 : 4;
            instruction.MemoryDisplacement64 = offset;
        }
        else
        {
            Registers(ref instruction, offset, shape);
        }
    }

    // 16-bit addresses. For 32-bit code nothing is mapped there: the fault says what was computed.
    private void ShortAddress(ref Instruction instruction, ulong offset)
    {
        instruction.MemoryBase = random.Pick<Register>([Register.None, Register.BX, Register.BP]);
        instruction.MemoryIndex = random.Pick<Register>([Register.None, Register.SI, Register.DI]);
        bool needsDisplacement = instruction.MemoryBase == Register.BP || instruction.MemoryIndex == Register.None;
        short displacement = random.Below(needsDisplacement ? 2 : 3) switch { 0 => (short)random.Next(), 1 => (sbyte)random.Next(), _ => 0 };
        instruction.MemoryDisplSize = displacement == 0 && !needsDisplacement ? 0 : 2;
        instruction.MemoryDisplacement64 = (ushort)displacement;
        Register index = instruction.MemoryIndex;
        Register adjusted = instruction.MemoryBase == Register.None ? index : instruction.MemoryBase;
        int taken = BitOffsetRegister(instruction);
        if (form.Bitness != 16)
        {
            return;
        }

        if (adjusted == Register.None || OperandKinds.GeneralNumber(adjusted) == taken)
        {
            instruction.MemoryBase = Register.None;
            instruction.MemoryIndex = Register.None;
            instruction.MemoryDisplSize = 2;
            instruction.MemoryDisplacement64 = (ushort)offset;
            return;
        }

        if (index != Register.None && OperandKinds.GeneralNumber(index) == taken)
        {
            index = Register.None;
            instruction.MemoryIndex = index;
        }

        ulong rest = offset - (ushort)displacement;
        if (index != Register.None && index != adjusted)
        {
            rest -= slot->Input.Gpr[OperandKinds.GeneralNumber(index)];
        }

        ref ulong register = ref slot->Input.Gpr[OperandKinds.GeneralNumber(adjusted)];
        register = (register & 0xFFFF_0000) | (ushort)rest;
    }

    private static bool FitsFromRip(ulong offset) => offset < CaseLayout.Cases;

    private ulong ChooseSegment(ref Instruction instruction, ulong address)
    {
        if (form.Bitness == 16)
        {
            instruction.SegmentPrefix = random.Chance(25)
                ? random.Pick<Register>([Register.ES, Register.CS, Register.SS, Register.DS, Register.FS, Register.GS])
                : Register.None;
            return 0;
        }

        if (form.Bitness == 32)
        {
            // FS is null there.
            instruction.SegmentPrefix = random.Chance(2) ? Register.FS : Register.None;
            return 0;
        }

        if (!random.Chance(15))
        {
            return 0;
        }

        bool gs = random.Chance(50);
        ulong segmentBase = gs ? slot->Input.GsBase : slot->Input.FsBase;
        if (!_wide && (segmentBase > address || address >= 1UL << 32))
        {
            return 0;
        }

        instruction.SegmentPrefix = gs ? Register.GS : Register.FS;
        return instruction.Mnemonic == Mnemonic.Lea ? 0 : segmentBase;
    }

    // offset = base + index * scale + displacement, with or without an index: the base makes up for the rest.
    private void Registers(ref Instruction instruction, ulong offset, int shape)
    {
        Register first = _wide ? Register.RAX : Register.EAX;
        int count = form.Bitness == 64 ? 16 : 8;
        int taken = BitOffsetRegister(instruction);
        int numberOfBase;
        do
        {
            numberOfBase = random.Below(count);
        }
        while (numberOfBase == taken || (numberOfBase == 4 && (form.Info.IsStackInstruction || form.Bitness == 16)));

        instruction.MemoryBase = first + numberOfBase;
        if (shape >= 5)
        {
            int numberOfIndex;
            do
            {
                numberOfIndex = random.Below(count);
            }
            while (numberOfIndex == 4 || numberOfIndex == numberOfBase || numberOfIndex == taken);

            instruction.MemoryIndex = first + numberOfIndex;
            instruction.MemoryIndexScale = 1 << random.Below(4);
            offset -= slot->Input.Gpr[numberOfIndex] * (ulong)instruction.MemoryIndexScale;
        }

        long displacement = random.Below(3) switch { 0 => 0, 1 => random.Below(256) - 128, _ => (int)random.Next() };
        instruction.MemoryDisplSize = displacement == 0 ? 0 : displacement is >= -128 and < 128 ? 1 : _wide ? 8 : 4;
        instruction.MemoryDisplacement64 = _wide ? (ulong)displacement : (uint)displacement;
        offset -= (ulong)displacement;
        slot->Input.Gpr[numberOfBase] = _wide ? offset : (uint)offset | (form.Bitness == 64 ? random.Next() << 32 : 0);
    }

    // BT and its kin address bits beyond the operand by a register, which therefore is not for the base.
    private static int BitOffsetRegister(in Instruction instruction) =>
        instruction.Mnemonic is Mnemonic.Bt or Mnemonic.Bts or Mnemonic.Btr or Mnemonic.Btc && instruction.Op1Kind == OpKind.Register
            ? OperandKinds.GeneralNumber(instruction.Op1Register)
            : -1;
}
