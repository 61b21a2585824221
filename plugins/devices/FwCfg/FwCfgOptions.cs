using Vmm.Sdk;

namespace Vmm.Plugins.FwCfg;

/// <summary>Options of the device.</summary>
public sealed class FwCfgOptions
{
    /// <summary>First of its 12 ports.</summary>
    [OptionDescription("First I/O port")]
    public ushort Port { get; init; } = 0x510;

    /// <summary>Whether firmware shall talk over COM1, for want of a display.</summary>
    [OptionDescription("Whether firmware shall use the first serial port as its console")]
    public bool SerialConsole { get; init; } = true;
}
