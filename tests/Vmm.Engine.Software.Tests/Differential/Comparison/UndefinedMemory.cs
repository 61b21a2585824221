using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Comparison;

/// <summary>Bytes of memory that processors are free to write differently: pointers of the last x87 instruction, reserved fields, parts of a store.</summary>
internal static unsafe class UndefinedMemory
{
    // Instruction and data pointers of the protected-mode environments (SDM Vol. 1 figures 8-9 and 8-11): 32-bit, 16-bit.
    private static readonly (int Start, int End) Pointers32 = (12, 28);
    private static readonly (int Start, int End) Pointers16 = (6, 14);

    private const int ExtendedSize = 10;
    private const int Rsp = 4;

    /// <summary>Whether the byte at an address is not compared.</summary>
    public static bool Contains(in Instruction instruction, CaseSlot* slot, ulong address)
    {
        long offset = (long)(address - OperandLocation.Of(instruction, &slot->Input));
        return instruction.Mnemonic switch
        {
            Mnemonic.Fxsave or Mnemonic.Fxsave64 => IsFxUndefined(offset),

            // Whether a component in its initial state counts as in use, too.
            Mnemonic.Xsave or Mnemonic.Xsave64 => IsFxUndefined(offset) || offset == 512,
            Mnemonic.Fnstenv or Mnemonic.Fnsave => In(offset, Pointers32) || In(offset, Pointers16),

            // Larger than a quadword: of the accesses that make it up some may be done when another faults (SDM Vol. 3A 8.1.1).
            Mnemonic.Fstp or Mnemonic.Fbstp => instruction.MemorySize is MemorySize.Float80 or MemorySize.Bcd
                && SimultaneousFaults.IsMemoryFault(slot->Native.Vector) && In(offset, (0, ExtendedSize)),

            // Some models have pushed the first registers when PUSHA faults, some push all or none.
            Mnemonic.Pusha => IsPushedByFault(slot, address, 8 * 2),
            Mnemonic.Pushad => IsPushedByFault(slot, address, 8 * 4),
            Mnemonic.Push => SelectorPush.MayLeave(instruction, slot, address),
            _ => false,
        };
    }

    private static bool IsPushedByFault(CaseSlot* slot, ulong address, int size)
    {
        ulong top = slot->Input.Gpr[Rsp];
        top = slot->Input.Ss == CaseLayout.Data16Selector ? CaseLayout.Data + (ushort)top : (uint)top;
        return SimultaneousFaults.IsMemoryFault(slot->Native.Vector) && In((long)(address - top), (-size, 0));
    }

    // FOP, FIP, FDP; MXCSR_MASK; reserved parts of the registers; what software may use at the end.
    private static bool IsFxUndefined(long offset) =>
        offset is >= 5 and < 24 or >= 28 and < 32 or >= 416 and < 512 || (offset is >= 32 and < 160 && offset % 16 >= 10);

    private static bool In(long offset, (int Start, int End) range) => offset >= range.Start && offset < range.End;
}
