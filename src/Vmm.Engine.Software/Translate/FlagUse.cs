using Iced.Intel;
using RflagsBits = Iced.Intel.RflagsBits;

namespace Vmm.Engine.Software.Translate;

/// <summary>Which arithmetic flags an instruction reads and surely writes, as Iced's bits.</summary>
/// <param name="Read">Flags that it reads.</param>
/// <param name="Written">Flags that it sets, whatever its operands; undefined ones too.</param>
/// <param name="Writes">Whether it may change any.</param>
internal readonly record struct FlagUse(RflagsBits Read, RflagsBits Written, bool Writes)
{
    public const RflagsBits All = RflagsBits.OF | RflagsBits.SF | RflagsBits.ZF | RflagsBits.AF | RflagsBits.CF | RflagsBits.PF;

    public static FlagUse Of(in Instruction instruction)
    {
        RflagsBits read = instruction.RflagsRead & All;
        RflagsBits written = instruction.RflagsModified & All;
        if (written == RflagsBits.None)
        {
            return new FlagUse(read, RflagsBits.None, false);
        }

        return DependsOnCount(instruction)
            ? new FlagUse(read, RflagsBits.None, true)
            : new FlagUse(read, written, true);
    }

    /// <summary>Flags that matter before the instruction when <paramref name="after"/> matter after it.</summary>
    public RflagsBits LiveBefore(RflagsBits after) => Read | (after & ~Written);

    /// <summary>Flags that the instruction must find in the host's: those it reads, and those it keeps while it changes others.</summary>
    public RflagsBits Needed(RflagsBits after) => Writes ? LiveBefore(after) : Read;

    // A shift by 0 and a repetition of 0 leave all flags alone.
    private static bool DependsOnCount(in Instruction instruction) =>
        instruction.HasRepPrefix || instruction.HasRepnePrefix || (instruction.OpCount > 1 && instruction.GetOpKind(instruction.OpCount - 1) == OpKind.Register
            && instruction.GetOpRegister(instruction.OpCount - 1) == Register.CL && IsShift(instruction.Mnemonic));

    private static bool IsShift(Mnemonic mnemonic) => mnemonic is Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shr or Mnemonic.Sar
        or Mnemonic.Rol or Mnemonic.Ror or Mnemonic.Rcl or Mnemonic.Rcr or Mnemonic.Shld or Mnemonic.Shrd;
}
