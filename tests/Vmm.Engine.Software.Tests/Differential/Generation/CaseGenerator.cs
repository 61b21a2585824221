using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Generation;

/// <summary>Makes case number n of a form, the same one whenever asked with the same seed.</summary>
internal sealed unsafe class CaseGenerator(ulong seed)
{
    private const int Attempts = 64;
    private const int LongestInstruction = 15;
    private const byte DsOverride = 0x3E;
    private const byte LockPrefix = 0xF0;

    /// <summary>Fills in the slot; false: nothing could be generated.</summary>
    public bool Generate(InstructionForm form, int index, CaseSlot* slot, out Instruction instruction)
    {
        CaseRandom random = new(seed ^ ((ulong)form.Code << 40) ^ ((ulong)(uint)index << 8) ^ (form.Memory ? 1UL : 0) ^ (ulong)form.Bitness);
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            InitialState.Fill(slot, form, random);
            instruction = new OperandBuilder(form, slot, random).Build();
            if (Encode(ref instruction, form, slot, random) && new ImplicitOperands(instruction, form, slot, random).Prepare())
            {
                return true;
            }
        }

        instruction = default;
        return false;
    }

    // Not all that can be chosen can be encoded (AH with a REX prefix). What was encoded is what counts.
    private static bool Encode(ref Instruction instruction, InstructionForm form, CaseSlot* slot, CaseRandom random)
    {
        ImageCodeWriter writer = new(slot->Input.Code, ProcessorImage.CodeCapacity);
        int prefixes = Prefixes(instruction, form, random, writer);
        Encoder encoder = Encoder.Create(form.Bitness, writer);
        ulong rip = slot->Input.Rip + (ulong)prefixes;
        if (!encoder.TryEncode(instruction, rip, out uint length, out _) || (prefixes == 0 && length > LongestInstruction))
        {
            return false;
        }

        // Of LOCK where it is illegal and the longest length, the order in which they are checked is the processor's own.
        if (prefixes > 0 && slot->Input.Code[0] == LockPrefix && prefixes + length >= LongestInstruction)
        {
            return false;
        }

        byte[] bytes = new ReadOnlySpan<byte>(slot->Input.Code + prefixes, (int)length).ToArray();
        Decoder decoder = Decoder.Create(form.Bitness, bytes);
        decoder.IP = rip;
        decoder.Decode(out instruction);

        // What crosses the end of the page cannot be fetched; what ends there could not report that it completed.
        ulong room = CaseLayout.Code + CaseLayout.PageSize - slot->Input.CodeAddress;
        slot->Input.CodeLength = Math.Min((ulong)prefixes + length, room);
        return instruction.Code == form.Code && (ulong)prefixes + length != room;
    }

    // Prefixes that Iced would not encode: a DS override, which changes nothing, up to and beyond the longest length, and
    // LOCK where it is not allowed.
    private static int Prefixes(in Instruction instruction, InstructionForm form, CaseRandom random, ImageCodeWriter writer)
    {
        int roll = random.Below(100);
        int count = roll == 0 ? random.Below(LongestInstruction) : roll == 1 && IsLockIllegal(instruction, form) ? 1 : 0;
        for (int n = 0; n < count; n++)
        {
            writer.WriteByte(roll == 0 ? DsOverride : LockPrefix);
        }

        return count;
    }

    private static bool IsLockIllegal(in Instruction instruction, InstructionForm form) =>
        !form.Info.CanUseLockPrefix || (!form.Memory && !instruction.HasLockPrefix);
}
