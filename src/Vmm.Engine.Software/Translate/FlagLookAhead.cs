using Iced.Intel;
using Vmm.Engine.Software.Decode;
using RflagsBits = Iced.Intel.RflagsBits;

namespace Vmm.Engine.Software.Translate;

/// <summary>
/// Which flags matter at the start of what follows a block, as far as the same page tells. What was read is noted in the
/// block: a write to it voids the translation.
/// </summary>
internal sealed unsafe class FlagLookAhead
{
    private const int Depth = 8;
    private const int Jumps = 2;

    private readonly PageReader _reader = new();
    private readonly Decoder _decoder;

    public FlagLookAhead() => _decoder = Decoder.Create(64, _reader);

    // An exception would show the flags: all but what is known to have none counts as one. MXCSR says whether vector
    // instructions have some.
    private static bool MayLeave(in Iced.Intel.Instruction instruction)
    {
        if (instruction.Mnemonic is Mnemonic.Nop or Mnemonic.Endbr64 or Mnemonic.Cwde or Mnemonic.Cdqe or Mnemonic.Cdq or Mnemonic.Cqo)
        {
            return false;
        }

        for (int n = 0; n < instruction.OpCount; n++)
        {
            bool touchesRegistersOnly = instruction.GetOpKind(n) switch
            {
                OpKind.Register => instruction.GetOpRegister(n).IsGPR(),
                OpKind.Memory => instruction.Mnemonic == Mnemonic.Lea,
                _ => true,
            };
            if (!touchesRegistersOnly)
            {
                return true;
            }
        }

        return PassThrough.UsesX87(instruction) || (instruction.Mnemonic != Mnemonic.Mul && !PassThrough.Allows(instruction));
    }

    private static bool IsJump(in Iced.Intel.Instruction instruction) => instruction.Code is Code.Jmp_rel8_64 or Code.Jmp_rel32_64;

    /// <summary>The flags that code at <paramref name="rip"/> may read before it writes them.</summary>
    public RflagsBits Live(Block* block, ulong rip)
    {
        RflagsBits open = FlagUse.All;
        RflagsBits live = RflagsBits.None;
        int jumps = 0;
        byte* page = (byte*)(block->Place & ~0xFFFUL);
        bool start = true;
        for (int n = 0; n < Depth; n++)
        {
            if (((rip ^ block->Rip) & ~0xFFFUL) != 0)
            {
                return live | open;
            }

            if (start)
            {
                _reader.Start(page + (rip & 0xFFF), page + 0x1000);
                _decoder.IP = rip;
                start = false;
            }

            _decoder.Decode(out Iced.Intel.Instruction instruction);
            if (_decoder.LastError != DecoderError.None)
            {
                return live | open;
            }

            ulong place = (ulong)page + (rip & 0xFFF);
            block->AheadStart = Math.Min(block->AheadStart, place);
            block->AheadEnd = Math.Max(block->AheadEnd, place + (ulong)instruction.Length);
            FlagUse use = FlagUse.Of(instruction);
            if (!IsJump(instruction) && MayLeave(instruction))
            {
                return live | open;
            }

            live |= use.Read & open;
            open &= ~use.Written;
            if (open == RflagsBits.None)
            {
                return live;
            }

            if (InstructionForms.Ending(instruction) == BlockEnding.None)
            {
                rip = instruction.NextIP;
            }
            else if (IsJump(instruction) && jumps++ < Jumps)
            {
                rip = instruction.NearBranchTarget;
                start = true;
            }
            else
            {
                return live | open;
            }
        }

        return live | open;
    }
}
