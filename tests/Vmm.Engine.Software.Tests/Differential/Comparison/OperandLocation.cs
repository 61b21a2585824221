using Iced.Intel;
using Vmm.Engine.Software.Tests.Differential.Generation;

namespace Vmm.Engine.Software.Tests.Differential.Comparison;

/// <summary>Where an instruction's memory operand is.</summary>
internal static unsafe class OperandLocation
{
    /// <summary>Its linear address, from the registers before the instruction; without the indexes when they are a vector.</summary>
    public static ulong Of(in Instruction instruction, ProcessorImage* input)
    {
        bool isSegmented = input->Cs == CaseLayout.Code16Selector;
        ulong segment = instruction.SegmentPrefix switch
        {
            Register.CS when isSegmented => CaseLayout.Code,
            _ when isSegmented => CaseLayout.Data,
            Register.FS => input->FsBase,
            Register.GS => input->GsBase,
            _ => 0,
        };
        if (instruction.IsIPRelativeMemoryOperand)
        {
            return segment + instruction.IPRelativeMemoryAddress;
        }

        ulong offset = instruction.MemoryDisplacement64 + Value(instruction.MemoryBase, input)
            + (Value(instruction.MemoryIndex, input) * (ulong)instruction.MemoryIndexScale);
        bool isShort = input->Cs == CaseLayout.Code32Selector || instruction.MemoryBase.IsGPR32() || instruction.MemoryIndex.IsGPR32()
            || instruction.MemoryDisplSize == 4;
        bool isWord = instruction.MemoryBase.IsGPR16() || instruction.MemoryIndex.IsGPR16() || instruction.MemoryDisplSize == 2;
        return segment + (isWord ? (ushort)offset : isShort ? (uint)offset : offset);
    }

    private static ulong Value(Register register, ProcessorImage* input) =>
        register == Register.None || register.IsVectorRegister() ? 0 : register == Register.AL ? (byte)input->Gpr[0] : input->Gpr[OperandKinds.GeneralNumber(register)];
}
