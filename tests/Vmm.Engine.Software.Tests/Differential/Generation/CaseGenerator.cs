using Iced.Intel;

namespace Vmm.Engine.Software.Tests.Differential.Generation;

/// <summary>Makes case number n of a form, the same one whenever asked with the same seed.</summary>
internal sealed unsafe class CaseGenerator(ulong seed)
{
    private const int Attempts = 64;

    /// <summary>Fills in the slot; false: nothing could be generated.</summary>
    public bool Generate(InstructionForm form, int index, CaseSlot* slot, out Instruction instruction)
    {
        CaseRandom random = new(seed ^ ((ulong)form.Code << 40) ^ ((ulong)(uint)index << 8) ^ (form.Memory ? 1UL : 0) ^ (ulong)form.Bitness);
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            InitialState.Fill(slot, form, random);
            instruction = new OperandBuilder(form, slot, random).Build();
            if (Encode(ref instruction, form, slot) && new ImplicitOperands(instruction, form, slot, random).Prepare())
            {
                return true;
            }
        }

        instruction = default;
        return false;
    }

    // Not all that can be chosen can be encoded (AH with a REX prefix). What was encoded is what counts.
    private static bool Encode(ref Instruction instruction, InstructionForm form, CaseSlot* slot)
    {
        ImageCodeWriter writer = new(slot->Input.Code, ProcessorImage.CodeCapacity);
        Encoder encoder = Encoder.Create(form.Bitness, writer);
        if (!encoder.TryEncode(instruction, slot->Input.Rip, out uint length, out _) || length > 15)
        {
            return false;
        }

        slot->Input.CodeLength = length;
        byte[] bytes = new ReadOnlySpan<byte>(slot->Input.Code, (int)length).ToArray();
        Decoder decoder = Decoder.Create(form.Bitness, bytes);
        decoder.IP = slot->Input.Rip;
        decoder.Decode(out instruction);
        return instruction.Code == form.Code;
    }

    private sealed class ImageCodeWriter(byte* destination, int capacity) : CodeWriter
    {
        private int _length;

        public override void WriteByte(byte value)
        {
            if (_length < capacity)
            {
                destination[_length++] = value;
            }
        }
    }
}
