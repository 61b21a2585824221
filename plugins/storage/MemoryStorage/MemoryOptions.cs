using Vmm.Sdk;

namespace Vmm.Plugins.MemoryStorage;

/// <summary>Options of the backend.</summary>
public sealed class MemoryOptions
{
    /// <summary>Size of the disk in bytes.</summary>
    [OptionRequired]
    [OptionRange(512, 1L << 50)]
    [OptionDescription("Size of the disk in bytes, a multiple of 512; K, M, G and T work")]
    public ulong Size { get; init; }

    /// <summary>Whether the guest may only read.</summary>
    [OptionDescription("Whether the guest may only read")]
    public bool ReadOnly { get; init; }
}
