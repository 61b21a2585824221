using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Comparison;

/// <summary>
/// PUSH of a segment register with 32-bit operands: models write the selector zero-extended, or by a 16-bit move that
/// leaves the upper word of its place alone (SDM Vol. 2B "PUSH").
/// </summary>
internal static unsafe class SelectorPush
{
    private const int Rsp = 4;
    private const int OperandSize = 4;

    /// <summary>Whether a byte is of that upper word.</summary>
    public static bool MayLeave(in Instruction instruction, CaseSlot* slot, ulong address) =>
        Is(instruction) && address - Place(slot) is 2 or 3;

    /// <summary>Whether the upper word may be what faults, and its fault another one: by its alignment, or because it is on another page.</summary>
    public static bool MayEndEither(in Instruction instruction, CaseSlot* slot) =>
        Is(instruction)
        && (slot->Native.Vector == CaseResult.Breakpoint || SimultaneousFaults.IsMemoryFault(slot->Native.Vector))
        && Place(slot) % OperandSize != 0;

    private static bool Is(in Instruction instruction) =>
        instruction.Mnemonic == Mnemonic.Push && instruction.Op0Register.IsSegmentRegister() && instruction.StackPointerIncrement == -OperandSize;

    // Where the selector is after the push; as well aligned as before it.
    private static ulong Place(CaseSlot* slot)
    {
        ulong top = slot->Native.Gpr[Rsp];
        return slot->Input.Ss == CaseLayout.Data16Selector ? CaseLayout.Data + (ushort)top : (uint)top;
    }
}
