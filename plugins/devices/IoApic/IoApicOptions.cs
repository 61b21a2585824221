using Vmm.Sdk;

namespace Vmm.Plugins.IoApic;

/// <summary>Where the I/O APIC sits.</summary>
public sealed class IoApicOptions
{
    /// <summary>Guest-physical address of the registers.</summary>
    [OptionDescription("Guest-physical address of the registers, a multiple of 4096")]
    [OptionRange(0, 0xf_ffff_f000)]
    public ulong Address { get; set; } = 0xfec0_0000;

    /// <summary>APIC id after reset.</summary>
    [OptionDescription("APIC id after reset")]
    [OptionRange(0, 15)]
    public byte Id { get; set; }
}
