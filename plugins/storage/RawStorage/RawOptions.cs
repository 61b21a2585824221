using Vmm.Sdk;

namespace Vmm.Plugins.RawStorage;

/// <summary>When data reaches stable storage.</summary>
public enum CacheMode
{
    /// <summary>When the guest flushes; the host's page cache holds it until then.</summary>
    WriteBack,

    /// <summary>Before a write completes.</summary>
    WriteThrough,

    /// <summary>Whenever the host likes; flushes do nothing. For disks that are thrown away.</summary>
    Unsafe,
}

/// <summary>Options of the backend.</summary>
public sealed class RawOptions
{
    /// <summary>The image file.</summary>
    [OptionDescription("The image file")]
    public required string Path { get; init; }

    /// <summary>Whether the guest may only read.</summary>
    [OptionDescription("Whether the guest may only read")]
    public bool ReadOnly { get; init; }

    /// <summary>When data reaches stable storage.</summary>
    [OptionDescription("When data reaches stable storage: at a flush, with every write, or whenever the host likes")]
    public CacheMode Cache { get; init; }
}
