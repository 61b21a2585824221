using Vmm.Sdk;

namespace Vmm.Plugins.VirtioBlock;

/// <summary>Options of a disk.</summary>
public sealed class VirtioBlockOptions
{
    /// <summary>Serial number; the name of the device when not given.</summary>
    [OptionDescription("Serial number, at most 20 ASCII characters; the device's name when not given")]
    public string Serial { get; init; } = "";

    /// <summary>Request queues.</summary>
    [OptionRange(1, 32)]
    [OptionDescription("Number of request queues")]
    public int Queues { get; init; } = 1;
}
