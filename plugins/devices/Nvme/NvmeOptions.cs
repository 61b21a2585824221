using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>Options of a disk.</summary>
public sealed class NvmeOptions
{
    /// <summary>Serial number; the name of the device when not given.</summary>
    [OptionDescription("Serial number, at most 20 ASCII characters; the device's name when not given")]
    public string Serial { get; init; } = "";

    /// <summary>Pairs of I/O queues.</summary>
    [OptionRange(1, 64)]
    [OptionDescription("Number of I/O queue pairs")]
    public int Queues { get; init; } = 16;
}
