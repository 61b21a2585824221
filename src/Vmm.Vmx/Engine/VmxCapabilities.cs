namespace Vmm.Vmx;

/// <summary>
/// What an engine's processors support: the capability MSRs of VMX (SDM Vol. 3D appendix A), against which the kernel
/// rounds its controls and the entry checks test them, and the CPUID leaves that its guests may be shown.
/// </summary>
public sealed class VmxCapabilities
{
    /// <summary>IA32_VMX_BASIC and the control, CR0/CR4 fixed-bit, EPT and miscellaneous MSRs by number (0x480 to 0x491).</summary>
    public required IReadOnlyDictionary<uint, ulong> Msrs { get; init; }

    /// <summary>CPUID as this engine's processors implement it, before board and exit handlers adjust it.</summary>
    public required IReadOnlyList<CpuidLeaf> Cpuid { get; init; }

    /// <summary>Bits of guest-physical addresses, 36 to 52.</summary>
    public required int PhysicalAddressBits { get; init; }

    /// <summary>
    /// Frequency in Hz of the guests' time-stamp counter where the engine cannot make it follow the
    /// <see cref="ITimeSource"/>; null where it does. The counter then has the time source's value, scaled, plus the TSC offset.
    /// </summary>
    public ulong? TimestampFrequency { get; init; }

    /// <summary>
    /// Rounds a control field to what is allowed: bits that must be one are set, bits that must be zero are cleared
    /// (SDM Vol. 3D A.2).
    /// </summary>
    /// <param name="capabilityMsr">The capability MSR of the field.</param>
    /// <param name="wanted">The controls wanted.</param>
    public uint Adjust(uint capabilityMsr, uint wanted)
    {
        ulong allowed = Msrs[capabilityMsr];
        return (wanted | (uint)allowed) & (uint)(allowed >> 32);
    }
}

/// <summary>One CPUID leaf, and sub-leaf where the leaf has any.</summary>
/// <param name="Leaf">EAX.</param>
/// <param name="Subleaf">ECX, or null when the leaf ignores it.</param>
/// <param name="Result">The registers.</param>
public readonly record struct CpuidLeaf(uint Leaf, uint? Subleaf, CpuidResult Result);
