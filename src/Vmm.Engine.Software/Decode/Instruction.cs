using System.Runtime.InteropServices;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Decode;

/// <summary>
/// One decoded instruction: one cache line in unmanaged memory, everything a handler needs and nothing to look up.
/// Register operands are byte offsets into <see cref="CpuState"/>, whatever kind of register it is.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal unsafe struct Instruction
{
    /// <summary>The handler.</summary>
    public delegate*<CpuState*, Instruction*, Outcome> Execute;

    /// <summary>Offset of the instruction in its code segment.</summary>
    public ulong Rip;

    /// <summary>Immediate operand, sign-extended to 64 bits; for near branches the target offset. ENTER: size | level &lt;&lt; 16; far pointers: offset | selector &lt;&lt; 32; VBLENDVPS and kin: the fourth register; x87: the opcode as FOP keeps it.</summary>
    public ulong Immediate;

    /// <summary>Displacement, sign-extended; RIP-relative addresses are resolved.</summary>
    public ulong Displacement;

    /// <summary>Mask of the address size, applied to the offset.</summary>
    public ulong AddressMask;

    /// <summary>First operand when it is a register.</summary>
    public ushort Destination;

    /// <summary>Second operand when it is a register.</summary>
    public ushort Source;

    /// <summary>Third operand when it is a register.</summary>
    public ushort Source2;

    /// <summary>Base register of the memory operand, or <see cref="CpuState.ZeroOffset"/>.</summary>
    public ushort Base;

    /// <summary>Index register of the memory operand, or <see cref="CpuState.ZeroOffset"/>.</summary>
    public ushort Index;

    /// <summary>Iced's Code: identifies the instruction form.</summary>
    public ushort Code;

    /// <summary>Shift of the index register.</summary>
    public byte Scale;

    /// <summary>Index into <see cref="CpuState.SegmentBase"/> for the memory operand.</summary>
    public byte SegmentBaseIndex;

    /// <summary>Segment register of the memory operand (or of the string source), overrides applied.</summary>
    public byte Segment;

    /// <summary>Length in bytes, 1 to 15.</summary>
    public byte Length;

    /// <summary>What else the decoder knows.</summary>
    public InstructionFlags Flags;

    /// <summary>Operand size in bytes: 1, 2, 4, 8 (general-purpose instructions).</summary>
    public byte OperandSize;

    /// <summary>Address size in bytes: 2, 4, 8.</summary>
    public byte AddressSize;

    /// <summary>Guest instructions in the block before this one.</summary>
    public byte Ordinal;

    /// <summary>Guest instructions that this one stands for: 1, 2 for a fused pair, 0 for the end of a block.</summary>
    public byte Weight;

    /// <summary>Offset of the instruction after this one. Outside 64-bit mode EIP has 32 bits, in 16-bit code too: beyond the limit of CS the next fetch faults.</summary>
    public readonly ulong NextRip => (Flags & InstructionFlags.Code64) != 0 ? Rip + Length : (uint)(Rip + Length);
}

/// <summary>Properties of a decoded instruction.</summary>
[Flags]
internal enum InstructionFlags : ushort
{
    None = 0,

    /// <summary>There is a memory operand.</summary>
    Memory = 1 << 0,

    /// <summary>The memory operand needs limit and rights checks: any segment outside 64-bit mode that is not flat.</summary>
    SegmentChecked = 1 << 1,

    /// <summary>A non-canonical address or limit violation of the memory operand is #SS instead of #GP.</summary>
    StackSegment = 1 << 2,

    Lock = 1 << 3,
    Rep = 1 << 4,
    Repne = 1 << 5,

    /// <summary>Decoded in 64-bit mode.</summary>
    Code64 = 1 << 6,

    /// <summary>Decoded in a 32-bit code segment.</summary>
    Code32 = 1 << 7,
}

/// <summary>How a handler ended.</summary>
internal enum Outcome
{
    /// <summary>Go on with the next instruction of the block.</summary>
    Next = 0,

    /// <summary>RIP is set: go on with the block there.</summary>
    Branch = 1,

    /// <summary>An exception was raised (<see cref="CpuState.FaultVector"/>); RIP is the instruction's own, registers and memory as before it.</summary>
    Fault = 2,

    /// <summary>RIP is set (to this instruction, unless an exit handler moved it): go on there, decoded anew, as if nothing had run.</summary>
    Restart = 3,

    /// <summary>Leave the guest: RIP is set.</summary>
    Leave = 4,
}
