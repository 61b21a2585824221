using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Comparison;

/// <summary>Bytes of memory images that processors are free to fill in differently: pointers of the last x87 instruction, reserved fields.</summary>
internal static class UndefinedMemory
{
    // Instruction and data pointers of the protected-mode environments (SDM Vol. 1 figures 8-9 and 8-11): 32-bit, 16-bit.
    private static readonly (int Start, int End) Pointers32 = (12, 28);
    private static readonly (int Start, int End) Pointers16 = (6, 14);

    /// <summary>Whether a byte at an offset from the operand is not compared.</summary>
    public static bool Contains(Mnemonic mnemonic, long offset) => mnemonic switch
    {
        Mnemonic.Fxsave or Mnemonic.Fxsave64 => IsFxUndefined(offset),

        // Whether a component in its initial state counts as in use, too.
        Mnemonic.Xsave or Mnemonic.Xsave64 => IsFxUndefined(offset) || offset == 512,
        Mnemonic.Fnstenv or Mnemonic.Fnsave => In(offset, Pointers32) || In(offset, Pointers16),
        _ => false,
    };

    // FOP, FIP, FDP; MXCSR_MASK; reserved parts of the registers; what software may use at the end.
    private static bool IsFxUndefined(long offset) =>
        offset is >= 5 and < 24 or >= 28 and < 32 or >= 416 and < 512 || (offset is >= 32 and < 160 && offset % 16 >= 10);

    private static bool In(long offset, (int Start, int End) range) => offset >= range.Start && offset < range.End;
}
