using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Generation;

/// <summary>Chooses the memory operand of a gather: a base, and a vector of indexes that lead into the data, mostly.</summary>
internal sealed unsafe class GatherOperandBuilder(InstructionForm form, CaseSlot* slot, CaseRandom random)
{
    // Indexes as the base makes up for: the middle of the data.
    private const ulong Middle = CaseLayout.Data + (CaseLayout.DataSize / 2);

    public void Build(ref Instruction instruction, OpCodeOperandKind kind)
    {
        bool wide = form.Bitness == 64 && !random.Chance(12);
        bool narrowIndexes = kind is OpCodeOperandKind.mem_vsib32x or OpCodeOperandKind.mem_vsib32y;
        bool long256 = kind is OpCodeOperandKind.mem_vsib32y or OpCodeOperandKind.mem_vsib64y;
        int count = form.Bitness == 64 ? 16 : 8;
        int index = random.Below(count);
        instruction.MemoryIndex = (long256 ? Register.YMM0 : Register.XMM0) + index;
        instruction.MemoryIndexScale = 1 << random.Below(4);
        long displacement = random.Below(3) switch { 0 => 0, 1 => random.Below(256) - 128, _ => random.Below(0x1000) };
        instruction.MemoryDisplSize = displacement == 0 ? 0 : displacement is >= -128 and < 128 ? 1 : wide ? 8 : 4;
        instruction.MemoryDisplacement64 = wide ? (ulong)displacement : (uint)displacement;
        int numberOfBase;
        do
        {
            numberOfBase = random.Below(count);
        }
        while (numberOfBase == 4 && form.Bitness == 16);

        instruction.MemoryBase = (wide ? Register.RAX : Register.EAX) + numberOfBase;
        ulong segment = 0;
        if (form.Bitness == 64 && random.Chance(10) && slot->Input.FsBase < CaseLayout.Data)
        {
            instruction.SegmentPrefix = Register.FS;
            segment = slot->Input.FsBase;
        }

        ulong start = Middle - form.DataBase - segment - (ulong)displacement;
        slot->Input.Gpr[numberOfBase] = wide ? start : (uint)start;
        FillIndexes(index, narrowIndexes, instruction.MemoryIndexScale, wide);
    }

    private void FillIndexes(int register, bool narrow, int scale, bool wide)
    {
        int size = narrow ? 4 : 8;
        for (int n = 0; n < 32 / size; n++)
        {
            byte* half = n * size < 16 ? slot->Input.Fx + FxImage.VectorRegisters : slot->Input.UpperHalves;
            byte* element = half + (register * 16) + (n * size % 16);
            long value = Index(scale);
            value = narrow ? (int)value : value;

            // An index from far away must not lead into what only the native process has.
            ulong address = Middle + (ulong)(value * scale);
            if (CaseLayout.IsOfNativeProcess(wide ? address : (uint)address))
            {
                value = 0;
            }

            if (narrow)
            {
                *(int*)element = (int)value;
            }
            else
            {
                *(long*)element = value;
            }
        }
    }

    private long Index(int scale) =>
        random.Chance(96) ? (random.Below(CaseLayout.DataSize - 16) - (CaseLayout.DataSize / 2)) / scale : (long)random.Integer();
}
