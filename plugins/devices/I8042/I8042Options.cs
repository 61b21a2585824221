using Vmm.Sdk;

namespace Vmm.Plugins.I8042;

/// <summary>Where the controller sits.</summary>
public sealed class I8042Options
{
    /// <summary>Data port.</summary>
    [OptionDescription("Data port")]
    public ushort Port { get; set; } = 0x60;

    /// <summary>Command and status port.</summary>
    [OptionDescription("Command and status port")]
    public ushort CommandPort { get; set; } = 0x64;

    /// <summary>Interrupt line of the keyboard.</summary>
    [OptionDescription("Interrupt line of the keyboard")]
    [OptionRange(0, 1023)]
    public int Irq { get; set; } = 1;

    /// <summary>Interrupt line of the mouse.</summary>
    [OptionDescription("Interrupt line of the mouse")]
    [OptionRange(0, 1023)]
    public int MouseIrq { get; set; } = 12;
}
