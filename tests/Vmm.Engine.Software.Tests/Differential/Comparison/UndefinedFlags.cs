using Iced.Intel;
using static Vmm.Engine.Software.State.ArithmeticFlags;

namespace Vmm.Engine.Software.Tests.Differential.Comparison;

/// <summary>The flags that the SDM (Vol. 2, "Flags Affected") leaves undefined, by instruction.</summary>
internal static unsafe class UndefinedFlags
{
    private static readonly Dictionary<Mnemonic, ulong> Always = new()
    {
        [Mnemonic.And] = Adjust,
        [Mnemonic.Or] = Adjust,
        [Mnemonic.Xor] = Adjust,
        [Mnemonic.Test] = Adjust,
        [Mnemonic.Mul] = Sign | Zero | Adjust | Parity,
        [Mnemonic.Imul] = Sign | Zero | Adjust | Parity,
        [Mnemonic.Div] = All,
        [Mnemonic.Idiv] = All,
        [Mnemonic.Bsf] = Carry | Overflow | Sign | Adjust | Parity,
        [Mnemonic.Bsr] = Carry | Overflow | Sign | Adjust | Parity,
        [Mnemonic.Bt] = Overflow | Sign | Adjust | Parity,
        [Mnemonic.Bts] = Overflow | Sign | Adjust | Parity,
        [Mnemonic.Btr] = Overflow | Sign | Adjust | Parity,
        [Mnemonic.Btc] = Overflow | Sign | Adjust | Parity,
        [Mnemonic.Tzcnt] = Overflow | Sign | Adjust | Parity,
        [Mnemonic.Lzcnt] = Overflow | Sign | Adjust | Parity,
        [Mnemonic.Andn] = Adjust | Parity,
        [Mnemonic.Blsi] = Adjust | Parity,
        [Mnemonic.Blsmsk] = Adjust | Parity,
        [Mnemonic.Blsr] = Adjust | Parity,
        [Mnemonic.Bzhi] = Adjust | Parity,
        [Mnemonic.Bextr] = Adjust | Sign | Parity,
        [Mnemonic.Aaa] = Overflow | Sign | Zero | Parity,
        [Mnemonic.Aas] = Overflow | Sign | Zero | Parity,
        [Mnemonic.Aad] = Overflow | Adjust | Carry,
        [Mnemonic.Aam] = Overflow | Adjust | Carry,
        [Mnemonic.Daa] = Overflow,
        [Mnemonic.Das] = Overflow,
    };

    /// <summary>The undefined flags of one instruction with its inputs.</summary>
    public static ulong Of(in Instruction instruction, ProcessorImage* input) => instruction.Mnemonic switch
    {
        Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shr or Mnemonic.Sar => Shift(instruction, Count(instruction, 1, input)),
        Mnemonic.Rol or Mnemonic.Ror or Mnemonic.Rcl or Mnemonic.Rcr => Rotate(Count(instruction, 1, input)),
        Mnemonic.Shld or Mnemonic.Shrd => DoubleShift(instruction, Count(instruction, 2, input)),
        _ => Always.GetValueOrDefault(instruction.Mnemonic),
    };

    /// <summary>
    /// The flags that are not compared after a fault. In the middle of a repeated CMPS or SCAS they are those from before
    /// (SDM Vol. 2B "REP"), but some models leave those of the last comparison.
    /// </summary>
    public static ulong OfFault(in Instruction instruction, CaseSlot* slot) =>
        instruction.IsStringInstruction
        && instruction.Mnemonic is Mnemonic.Cmpsb or Mnemonic.Cmpsw or Mnemonic.Cmpsd or Mnemonic.Cmpsq
            or Mnemonic.Scasb or Mnemonic.Scasw or Mnemonic.Scasd or Mnemonic.Scasq
        && (instruction.HasRepPrefix || instruction.HasRepnePrefix)
        && (uint)slot->Native.Gpr[1] != (uint)slot->Input.Gpr[1]
            ? All
            : 0;

    /// <summary>Whether at most AF is undefined, whatever the inputs.</summary>
    public static bool IsAdjustAtMost(Code code) => code.Mnemonic() switch
    {
        Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shr or Mnemonic.Sar or Mnemonic.Rol or Mnemonic.Ror or Mnemonic.Rcl or Mnemonic.Rcr =>
            code.ToOpCode().Op1Kind == OpCodeOperandKind.imm8_const_1,
        Mnemonic.Shld or Mnemonic.Shrd => false,
        Mnemonic mnemonic => (Always.GetValueOrDefault(mnemonic) & ~Adjust) == 0,
    };

    /// <summary>SHLD and SHRD by more than the operand's size leave the destination undefined too.</summary>
    public static bool IsResultUndefined(in Instruction instruction, ProcessorImage* input) =>
        instruction.Mnemonic is Mnemonic.Shld or Mnemonic.Shrd && Count(instruction, 2, input) > OperandBits(instruction);

    private static ulong Shift(in Instruction instruction, int count) => count switch
    {
        0 => 0,
        1 => Adjust,
        // SAR fills with the sign, so CF stays defined.
        _ => Adjust | Overflow | (count >= OperandBits(instruction) && instruction.Mnemonic != Mnemonic.Sar ? Carry : 0),
    };

    private static ulong Rotate(int count) => count is 0 or 1 ? 0 : Overflow;

    private static ulong DoubleShift(in Instruction instruction, int count) =>
        count == 0 ? 0 : count > OperandBits(instruction) ? All : count == 1 ? Adjust : Adjust | Overflow;

    private static int OperandBits(in Instruction instruction) =>
        8 * (instruction.Op0Kind == OpKind.Memory ? instruction.MemorySize.GetSize() : instruction.Op0Register.GetSize());

    private static int Count(in Instruction instruction, int operand, ProcessorImage* input)
    {
        int count = instruction.GetOpKind(operand) == OpKind.Register ? (byte)input->Gpr[1] : (int)instruction.GetImmediate(operand);
        return count & (OperandBits(instruction) == 64 ? 63 : 31);
    }
}
