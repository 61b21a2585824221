using Vmm.Sdk;

namespace Vmm.Plugins.VirtioNet;

/// <summary>Options of a network device.</summary>
public sealed class VirtioNetOptions
{
    /// <summary>Ethernet address.</summary>
    [OptionDescription("Ethernet address such as 52:54:00:12:34:56; a random one at each start when not given")]
    public string Mac { get; init; } = "";
}
