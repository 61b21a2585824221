using Iced.Intel;
using Vmm.Engine.Software.State;
using RflagsBits = Iced.Intel.RflagsBits;

namespace Vmm.Engine.Software.Translate;

/// <summary>One guest instruction of the block under translation, with what the translator has found out about it.</summary>
internal unsafe struct Step
{
    /// <summary>Iced's view: operands and form.</summary>
    public Iced.Intel.Instruction Source;

    /// <summary>The interpreter's view: addresses resolved.</summary>
    public Decode.Instruction* Slot;

    public StepKind Kind;

    public FlagUse Flags;

    /// <summary>Flags that matter after it.</summary>
    public RflagsBits LiveAfter;

    /// <summary>Guest general registers that it writes, a bit each.</summary>
    public ushort Writes;

    /// <summary>Operands that it writes, a bit each.</summary>
    public byte WrittenOperands;

    /// <summary>Whether it needs a second scratch register beside RAX: R11 is not to be counted on.</summary>
    public bool ClobbersAddress;

    public bool UsesVectors;

    /// <summary>Whether it needs x87 or MMX state.</summary>
    public bool UsesX87;

    // The memory access, if any.
    public bool HasAccess;
    public bool AccessWrites;
    public bool AccessIsAligned;
    public int AccessSize;

    /// <summary>Address as (base, index, scale, segment) in one word; equal words differ by the displacement only.</summary>
    public ulong AddressKey;

    public long Displacement;

    /// <summary>
    /// Flags that matter before it: those that it or anything later reads, and all where it may leave the translation, since
    /// an exception or an exit shows them.
    /// </summary>
    public readonly RflagsBits LiveBefore => MayLeave ? FlagUse.All : Flags.LiveBefore(LiveAfter);

    /// <summary>Whether it may fault or be interpreted.</summary>
    public readonly bool MayLeave => HasAccess || UsesX87 || UsesVectors || Kind is not (StepKind.PassThrough or StepKind.Nothing or StepKind.SignExtend or StepKind.Multiply
        or StepKind.ConditionalJump or StepKind.Jump);

    public readonly bool WritesOperand(int n) => (WrittenOperands >> n & 1) != 0;

    public readonly bool IsEnd => Kind >= StepKind.ConditionalJump;

    public readonly bool IsInterpreted => Kind is StepKind.Interpret or StepKind.InterpretedEnd;

    /// <summary>Sets the access to the operand that the interpreter's view describes.</summary>
    public void AccessOperand(int size, bool writes)
    {
        Access(size, writes, (long)Slot->Displacement);
        AddressKey = Slot->Base | (ulong)Slot->Index << 16 | (ulong)Slot->Scale << 32 | (ulong)Slot->SegmentBaseIndex << 40 | (ulong)Slot->AddressSize << 48;
    }

    /// <summary>Sets the access to the stack at an offset from RSP.</summary>
    public void AccessStack(bool writes, int displacement)
    {
        Access(8, writes, displacement);
        AddressKey = StackKey;
    }

    /// <summary>Sets the access to what RBP points to.</summary>
    public void AccessFrame()
    {
        Access(8, writes: false, 0);
        AddressKey = KeyOf(RegisterMap.Rbp);
    }

    /// <summary>The address key of [RSP + n].</summary>
    public static readonly ulong StackKey = KeyOf(RegisterMap.Rsp);

    private static ulong KeyOf(int guest) =>
        (ulong)CpuState.GprOffset(guest) | CpuState.ZeroOffset << 16 | (ulong)CpuState.FlatSegment << 40 | 8UL << 48;

    private void Access(int size, bool writes, long displacement)
    {
        HasAccess = true;
        AccessSize = size;
        AccessWrites = writes;
        Displacement = displacement;
    }
}
