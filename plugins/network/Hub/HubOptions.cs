using Vmm.Sdk;

namespace Vmm.Plugins.Hub;

/// <summary>Options of a port.</summary>
public sealed class HubOptions
{
    /// <summary>Which segment the port is on.</summary>
    [OptionDescription("Name of the segment; network devices on one segment reach each other, also those of several VMs in one process")]
    public string Segment { get; init; } = "default";

    /// <summary>Largest payload of a frame.</summary>
    [OptionRange(68, 65_521)]
    [OptionDescription("Largest payload of a frame in bytes")]
    public int Mtu { get; init; } = 1500;
}
