namespace Vmm.Vmx;

/// <summary>
/// VM-exit instruction information (SDM Vol. 3C 28.2.5, tables 28-8 to 28-15): INS and OUTS, LGDT/LIDT/SGDT/SIDT,
/// LLDT/LTR/SLDT/STR, INVPCID, RDRAND and RDSEED share one layout; which parts mean something depends on the instruction.
/// </summary>
/// <param name="Value">The field as it stands in the VMCS.</param>
public readonly record struct ExitInstructionInformation(uint Value)
{
    private const uint IsRegisterBit = 1u << 10;
    private const uint NoIndexBit = 1u << 22;
    private const uint NoBaseBit = 1u << 27;

    /// <summary>Encodes INS or OUTS.</summary>
    /// <param name="addressSize">2, 4 or 8 bytes.</param>
    /// <param name="segment">Segment of the memory operand.</param>
    public static ExitInstructionInformation String(int addressSize, SegmentRegister segment)
        => new(EncodeAddressSize(addressSize) | (uint)segment << 15);

    /// <summary>Encodes RDRAND or RDSEED.</summary>
    /// <param name="destination">Number of the general register.</param>
    /// <param name="operandSize">2, 4 or 8 bytes.</param>
    public static ExitInstructionInformation Random(int destination, int operandSize)
        => new(((uint)destination & 0xF) << 3 | (uint)(operandSize >> 2) << 11);

    /// <summary>Encodes an instruction with a memory operand.</summary>
    /// <param name="addressSize">2, 4 or 8 bytes.</param>
    /// <param name="segment">Segment of the operand.</param>
    /// <param name="baseRegister">Number of the base register, or null.</param>
    /// <param name="indexRegister">Number of the index register, or null.</param>
    /// <param name="scale">Base-2 logarithm of the factor, 0 to 3.</param>
    /// <param name="extra">Bits 31:28: the second register of INVPCID, the instruction identity of descriptor-table accesses.</param>
    public static ExitInstructionInformation Memory(int addressSize, SegmentRegister segment, int? baseRegister, int? indexRegister, int scale, int extra)
        => new((uint)scale & 3
            | EncodeAddressSize(addressSize)
            | (uint)segment << 15
            | (indexRegister is int index ? (uint)index << 18 : NoIndexBit)
            | (baseRegister is int number ? (uint)number << 23 : NoBaseBit)
            | (uint)extra << 28);

    /// <summary>Encodes an instruction with a register operand.</summary>
    /// <param name="register">Number of the general register.</param>
    /// <param name="extra">Bits 31:28, as for <see cref="Memory"/>.</param>
    public static ExitInstructionInformation Register(int register, int extra)
        => new(((uint)register & 0xF) << 3 | IsRegisterBit | (uint)extra << 28);

    /// <summary>Factor of the index register as a shift count, 0 to 3.</summary>
    public int Scale => (int)(Value & 3);

    /// <summary>Number of the register operand.</summary>
    public int FirstRegister => (int)(Value >> 3 & 0xF);

    /// <summary>Address size in bytes: 2, 4 or 8.</summary>
    public int AddressSize => 2 << (int)(Value >> 7 & 3);

    /// <summary>The operand is a register, not memory.</summary>
    public bool IsRegister => (Value & IsRegisterBit) != 0;

    /// <summary>Operand size in bytes of RDRAND and RDSEED: 2, 4 or 8.</summary>
    public int OperandSize => 2 << (int)(Value >> 11 & 3);

    /// <summary>Segment of the memory operand.</summary>
    public SegmentRegister Segment => (SegmentRegister)(Value >> 15 & 7);

    /// <summary>Number of the index register, or null.</summary>
    public int? IndexRegister => (Value & NoIndexBit) != 0 ? null : (int)(Value >> 18 & 0xF);

    /// <summary>Number of the base register, or null.</summary>
    public int? BaseRegister => (Value & NoBaseBit) != 0 ? null : (int)(Value >> 23 & 0xF);

    /// <summary>Bits 31:28: the second register of INVPCID, the instruction identity of descriptor-table accesses.</summary>
    public int Extra => (int)(Value >> 28);

    private static uint EncodeAddressSize(int bytes) => (uint)(bytes >> 2) << 7;
}
