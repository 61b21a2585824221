using Iced.Intel;
using Vmm.Engine.Software.Tests.Differential.Comparison;

namespace Vmm.Engine.Software.Tests.Differential.Generation;

/// <summary>
/// Makes short runs of register instructions with a conditional branch at the end: what blocks, fused branches and
/// unevaluated flags make of instructions together.
/// </summary>
internal sealed unsafe class SequenceGenerator(ulong seed)
{
    private const int Longest = 5;

    private static readonly InstructionForm[] Forms = [.. FormCatalog.Create(64).Forms.Where(IsSimple)];
    private static readonly InstructionForm[] Branches =
        [.. FormCatalog.Create(64).Forms.Where(form => form.Code.IsJccShort() || form.Code.IsJccNear())];

    // Those before the branch that it is fused with come up often enough to meet every condition.
    private static readonly InstructionForm[] Comparisons = [.. Forms.Where(form => form.Info.Mnemonic is
        Mnemonic.Cmp or Mnemonic.Test or Mnemonic.And or Mnemonic.Sub or Mnemonic.Add or Mnemonic.Dec or Mnemonic.Inc or Mnemonic.Or or Mnemonic.Xor)];

    /// <summary>Fills in the slot; returns the instructions.</summary>
    public List<Instruction> Generate(int index, CaseSlot* slot)
    {
        CaseRandom random = new(seed ^ ((ulong)(uint)index << 16) ^ 0x5E90);
        InstructionForm branch = random.Pick<InstructionForm>(Branches);
        while (true)
        {
            InitialState.Fill(slot, branch, random);
            slot->Input.Rip = Math.Min(slot->Input.Rip, CaseLayout.Code + CaseLayout.PageSize - (2 * ProcessorImage.CodeCapacity));
            slot->Input.CodeAddress = slot->Input.Rip;
            if (TryFill(slot, branch, random, out List<Instruction> instructions))
            {
                return instructions;
            }
        }
    }

    private static bool TryFill(CaseSlot* slot, InstructionForm branch, CaseRandom random, out List<Instruction> instructions)
    {
        List<Instruction> list = [];
        instructions = list;
        ImageCodeWriter writer = new(slot->Input.Code, ProcessorImage.CodeCapacity);
        Encoder encoder = Encoder.Create(64, writer);
        ulong rip = slot->Input.Rip;
        int count = 1 + random.Below(Longest);
        for (int n = 0; n < count; n++)
        {
            bool last = n == count - 1;
            InstructionForm form = random.Pick<InstructionForm>(last && random.Chance(70) ? Comparisons : Forms);
            if (!TryAppend(form))
            {
                return false;
            }
        }

        if (!TryAppend(branch) || rip - slot->Input.Rip > ProcessorImage.CodeCapacity)
        {
            return false;
        }

        slot->Input.CodeLength = rip - slot->Input.Rip;

        // The target is an INT3, not the middle of the sequence.
        return list[^1].NearBranch64 - slot->Input.Rip >= slot->Input.CodeLength;

        bool TryAppend(InstructionForm form)
        {
            Instruction instruction = new OperandBuilder(form, slot, random).Build();
            if (!encoder.TryEncode(instruction, rip, out uint length, out _))
            {
                return false;
            }

            instruction.IP = rip;
            rip += length;
            list.Add(instruction);
            return true;
        }
    }

    private static bool IsSimple(InstructionForm form)
    {
        OpCodeInfo info = form.Info;
        if (form.Memory || info.IsStackInstruction || info.IsString() || form.Code.FlowControl() != FlowControl.Next
            || !UndefinedFlags.IsAdjustAtMost(form.Code) || info.Mnemonic is Mnemonic.Lahf or Mnemonic.Wrfsbase or Mnemonic.Wrgsbase)
        {
            return false;
        }

        for (int n = 0; n < info.OpCount; n++)
        {
            (Register first, int count) = OperandKinds.Registers(info.GetOpKind(n), 64);
            if (count > 0 && !first.IsGPR())
            {
                return false;
            }
        }

        return info.OpCount > 0;
    }
}
