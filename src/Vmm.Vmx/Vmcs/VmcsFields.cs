namespace Vmm.Vmx;

/// <summary>What an encoding says about its VMCS field (SDM Vol. 3C 25.11.2, table 25-23).</summary>
public static class VmcsFields
{
    private static readonly VmcsField[] Defined = Enum.GetValues<VmcsField>();

    /// <summary>Every field there is, by encoding. The "high" halves of 64-bit fields are not in it.</summary>
    public static ReadOnlySpan<VmcsField> All => Defined;

    /// <summary>The largest index that any field uses, as IA32_VMX_VMCS_ENUM reports it in bits 9:1.</summary>
    public static uint HighestIndex { get; } = Defined.Max(field => field.Index);

    /// <summary>Whether an encoding names a field (its high half counts for 64-bit fields).</summary>
    public static bool IsDefined(uint encoding)
        => encoding <= ushort.MaxValue
            && ((VmcsField)encoding is var field)
            && (!field.IsHigh || field.Width == VmcsFieldWidth.Bits64)
            && Array.BinarySearch(Defined, field.Full) >= 0;

    extension(VmcsField component)
    {
        /// <summary>Width, bits 14:13.</summary>
        public VmcsFieldWidth Width => (VmcsFieldWidth)(((uint)component >> 13) & 3);

        /// <summary>Type, bits 11:10.</summary>
        public VmcsFieldType Type => (VmcsFieldType)(((uint)component >> 10) & 3);

        /// <summary>Index among fields of the same width and type, bits 9:1.</summary>
        public uint Index => ((uint)component >> 1) & 0x1FF;

        /// <summary>Access type, bit 0: the high 32 bits of a 64-bit field.</summary>
        public bool IsHigh => ((uint)component & 1) != 0;

        /// <summary>The field that a "high" encoding is half of; the field itself for others.</summary>
        public VmcsField Full => (VmcsField)((uint)component & ~1u);

        /// <summary>VM-exit information: VMWRITE fails unless IA32_VMX_MISC[29] allows it.</summary>
        public bool IsReadOnly => component.Type == VmcsFieldType.ReadOnlyData;
    }
}

/// <summary>Widths of VMCS fields.</summary>
public enum VmcsFieldWidth
{
    Bits16 = 0,
    Bits64 = 1,
    Bits32 = 2,
    Natural = 3,
}

/// <summary>Areas of the VMCS.</summary>
public enum VmcsFieldType
{
    Control = 0,
    ReadOnlyData = 1,
    GuestState = 2,
    HostState = 3,
}
