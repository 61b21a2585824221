using Vmm.Sdk;

namespace Vmm.Plugins.RtcMc146818;

/// <summary>Where the clock sits.</summary>
public sealed class RtcMc146818Options
{
    /// <summary>Index port; the data port follows it.</summary>
    [OptionDescription("Index port; the data port follows it")]
    [OptionRange(0, 0xfffe)]
    public ushort Port { get; set; } = 0x70;

    /// <summary>Index port of the upper 128 bytes; the data port follows it.</summary>
    [OptionDescription("Index port of the upper 128 bytes of CMOS memory")]
    [OptionRange(0, 0xfffe)]
    public ushort ExtendedPort { get; set; } = 0x72;

    /// <summary>Interrupt line.</summary>
    [OptionDescription("Interrupt line")]
    [OptionRange(0, 1023)]
    public int Irq { get; set; } = 8;
}
