using Vmm.Sdk;

namespace Vmm.Plugins.Pic8259;

/// <summary>Where the controllers sit.</summary>
public sealed class Pic8259Options
{
    /// <summary>First of the two ports of the master.</summary>
    [OptionDescription("First port of the master controller")]
    [OptionRange(0, 0xfffe)]
    public ushort Master { get; set; } = 0x20;

    /// <summary>First of the two ports of the slave.</summary>
    [OptionDescription("First port of the slave controller")]
    [OptionRange(0, 0xfffe)]
    public ushort Slave { get; set; } = 0xa0;

    /// <summary>First of the two edge/level control registers.</summary>
    [OptionDescription("First port of the edge/level control registers")]
    [OptionRange(0, 0xfffe)]
    public ushort Elcr { get; set; } = 0x4d0;
}
