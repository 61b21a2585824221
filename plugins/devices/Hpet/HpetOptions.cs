using Vmm.Sdk;

namespace Vmm.Plugins.Hpet;

/// <summary>Options of the event timer block.</summary>
public sealed class HpetOptions
{
    /// <summary>Guest-physical address of the registers; the ACPI table HPET tells the guest the same.</summary>
    [OptionDescription("Guest-physical address of the registers, a multiple of 1024")]
    public ulong Address { get; init; } = 0xfed0_0000;

    /// <summary>Number of comparators: as many as the region of 1024 bytes has room for.</summary>
    [OptionRange(3, 24)]
    [OptionDescription("Number of comparators")]
    public int Timers { get; init; } = 3;
}
