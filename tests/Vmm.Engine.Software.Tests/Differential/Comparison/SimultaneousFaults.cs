using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Comparison;

/// <summary>
/// Instructions with more than one reason to fault. Among the faults of executing an instruction, accesses and x87
/// exceptions alike, the order is the model's own (SDM Vol. 3A table 6-2, lowest class).
/// </summary>
internal static unsafe class SimultaneousFaults
{
    private const ulong BoundRange = 5;
    private const ushort ErrorSummary = 0x80;

    /// <summary>Whether a case may end as the interpreter let it end, and as the host did.</summary>
    public static bool MayEndEither(in Instruction instruction, CaseSlot* slot, ProcessorImage* interpreted, bool isImage)
    {
        if (!IsMemoryFault(interpreted->Vector))
        {
            return false;
        }

        return SelectorPush.MayEndEither(instruction, slot) || (IsMemoryFault(slot->Native.Vector)
            ? IsInParts(instruction, isImage) || IsComparison(instruction)
            : IsOutsideLowerBound(instruction, slot) || IsUnmaskedStore(instruction, slot));
    }

    /// <summary>CMPS reads at rSI and at rDI, in either order: whether the host reported a page fault at rDI.</summary>
    public static bool IsAtSecondPlace(in Instruction instruction, ProcessorImage* native)
    {
        if (!IsComparison(instruction) || native->Vector != CaseResult.PageFault)
        {
            return false;
        }

        // A register that came to a fault is at the element that faulted.
        ulong address = native->Gpr[7] & (instruction.Op1Kind switch
        {
            OpKind.MemoryESRDI => ulong.MaxValue,
            OpKind.MemoryESEDI => uint.MaxValue,
            _ => ushort.MaxValue,
        });
        ulong segment = native->Cs == CaseLayout.Code16Selector ? CaseLayout.Data : 0;
        return native->Cr2 - segment - address < (ulong)instruction.MemorySize.GetSize();
    }

    /// <summary>#SS, #GP, #PF and #AC.</summary>
    public static bool IsMemoryFault(ulong vector) => vector is 12 or 13 or 17 or CaseResult.PageFault;

    // Where a segment ends, the first part of such an operand may fault before the whole is found to be beyond the limit.
    private static bool IsInParts(in Instruction instruction, bool isImage) =>
        isImage || instruction.Mnemonic is Mnemonic.Bound or Mnemonic.Maskmovq || instruction.MemorySize is MemorySize.Float80 or MemorySize.Bcd;

    private static bool IsComparison(in Instruction instruction) =>
        instruction.IsStringInstruction && instruction.Mnemonic is Mnemonic.Cmpsb or Mnemonic.Cmpsw or Mnemonic.Cmpsd or Mnemonic.Cmpsq;

    // Below the lower bound some models do not read the upper one.
    private static bool IsOutsideLowerBound(in Instruction instruction, CaseSlot* slot) =>
        instruction.Mnemonic == Mnemonic.Bound && slot->Native.Vector == BoundRange;

    // Some models find that an unmasked x87 exception keeps the result from memory before they look whether it could go there.
    private static bool IsUnmaskedStore(in Instruction instruction, CaseSlot* slot)
    {
        ushort before = *(ushort*)(slot->Input.Fx + FxImage.StatusWord);
        ushort after = *(ushort*)(slot->Native.Fx + FxImage.StatusWord);
        return instruction.Op0Kind == OpKind.Memory
            && instruction.Mnemonic is Mnemonic.Fst or Mnemonic.Fstp or Mnemonic.Fist or Mnemonic.Fistp or Mnemonic.Fisttp or Mnemonic.Fbstp
            && slot->Native.Vector == CaseResult.Breakpoint
            && (after & ~before & ErrorSummary) != 0
            && ((before ^ after) & FxImage.TopMask) == 0
            && new ReadOnlySpan<byte>(slot->Memory, CaseLayout.DataSize).SequenceEqual(new ReadOnlySpan<byte>(slot->NativeMemory, CaseLayout.DataSize));
    }
}
