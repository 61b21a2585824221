namespace Vmm.Vmx;

/// <summary>Access rights of a segment register in VMCS form (SDM Vol. 3C 25.4.1, table 25-2).</summary>
/// <param name="Value">The field as it stands in the VMCS.</param>
public readonly record struct SegmentAccessRights(uint Value)
{
    /// <summary>Bit 16: the register is not usable.</summary>
    public const uint UnusableBit = 1u << 16;

    /// <summary>Bits 31:17 and 11:8, which must be zero.</summary>
    public const uint ReservedBits = 0xFFFE_0F00;

    /// <summary>A register loaded with a null selector.</summary>
    public static SegmentAccessRights Unusable => new(UnusableBit);

    /// <summary>The access rights in a segment descriptor (its second doubleword is bits 63:32).</summary>
    public static SegmentAccessRights FromDescriptor(ulong descriptor) => new((uint)(descriptor >> 40) & 0xF0FF);

    /// <summary>Composes access rights of a usable, present segment.</summary>
    public static SegmentAccessRights Create(uint type, bool codeOrData, uint dpl, bool longMode = false, bool big = false, bool granular = false)
        => new(type & 0xF | (codeOrData ? 1u << 4 : 0) | (dpl & 3) << 5 | 1u << 7 | (longMode ? 1u << 13 : 0) | (big ? 1u << 14 : 0) | (granular ? 1u << 15 : 0));

    /// <summary>Segment type, bits 3:0.</summary>
    public uint Type => Value & 0xF;

    /// <summary>S: code or data (true) or system segment.</summary>
    public bool IsCodeOrData => (Value & 1u << 4) != 0;

    /// <summary>Descriptor privilege level.</summary>
    public uint Dpl => (Value >> 5) & 3;

    /// <summary>P.</summary>
    public bool IsPresent => (Value & 1u << 7) != 0;

    /// <summary>AVL.</summary>
    public bool IsAvailable => (Value & 1u << 12) != 0;

    /// <summary>L: 64-bit code.</summary>
    public bool IsLong => (Value & 1u << 13) != 0;

    /// <summary>D/B: 32-bit code, 32-bit stack.</summary>
    public bool IsBig => (Value & 1u << 14) != 0;

    /// <summary>G: the limit counts 4-KiB pages.</summary>
    public bool IsGranular => (Value & 1u << 15) != 0;

    /// <summary>The register can be used.</summary>
    public bool IsUsable => (Value & UnusableBit) == 0;

    /// <summary>Code segment (of a code or data segment).</summary>
    public bool IsCode => (Value & 1u << 3) != 0;

    /// <summary>Accessed (of a code or data segment).</summary>
    public bool IsAccessed => (Value & 1) != 0;

    /// <summary>Conforming (of code).</summary>
    public bool IsConforming => (Value & 1u << 2) != 0;

    /// <summary>Readable (of code) or writable (of data).</summary>
    public bool IsReadableOrWritable => (Value & 1u << 1) != 0;

    public override string ToString() => IsUsable
        ? $"0x{Value:X4} (type {Type}, {(IsCodeOrData ? "code/data" : "system")}, DPL {Dpl}{(IsPresent ? "" : ", not present")})"
        : "unusable";
}
