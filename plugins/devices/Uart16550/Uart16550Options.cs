using Vmm.Sdk;

namespace Vmm.Plugins.Uart16550;

/// <summary>Where the serial port sits; the defaults are those of COM1.</summary>
public sealed class Uart16550Options
{
    /// <summary>First of the eight ports.</summary>
    [OptionDescription("First of the eight ports")]
    [OptionRange(0, 0xfff8)]
    public ushort Port { get; set; } = 0x3f8;

    /// <summary>Interrupt line.</summary>
    [OptionDescription("Interrupt line")]
    [OptionRange(0, 1023)]
    public int Irq { get; set; } = 4;
}
