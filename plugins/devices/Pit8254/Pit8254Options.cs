using Vmm.Sdk;

namespace Vmm.Plugins.Pit8254;

/// <summary>Where the timer sits.</summary>
public sealed class Pit8254Options
{
    /// <summary>First of the four ports.</summary>
    [OptionDescription("First of the four ports")]
    [OptionRange(0, 0xfffc)]
    public ushort Port { get; set; } = 0x40;

    /// <summary>System control port B: gate of counter 2, speaker, refresh and OUT2.</summary>
    [OptionDescription("System control port B, with the gate of counter 2")]
    public ushort ControlPort { get; set; } = 0x61;

    /// <summary>Interrupt line of counter 0.</summary>
    [OptionDescription("Interrupt line of counter 0")]
    [OptionRange(0, 1023)]
    public int Irq { get; set; }
}
