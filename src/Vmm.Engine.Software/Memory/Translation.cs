namespace Vmm.Engine.Software.Memory;

/// <summary>Kind of an access, for rights and error codes.</summary>
internal enum AccessKind
{
    Read,
    Write,
    Fetch,
}

/// <summary>What the paging structures (and EPT) say about one 4-KiB page.</summary>
internal unsafe struct Translation
{
    /// <summary>Physical page address, after EPT: key of <see cref="PhysicalAddressSpace"/>.</summary>
    public ulong Physical;

    /// <summary>Guest-physical page address.</summary>
    public ulong GuestPhysical;

    /// <summary>Host address of the page, or null for device memory.</summary>
    public byte* Host;

    /// <summary>Rights and marks.</summary>
    public PageFlags Flags;
}

/// <summary>Properties of a translated page.</summary>
[Flags]
internal enum PageFlags : uint
{
    None = 0,

    /// <summary>U/S is set on every level.</summary>
    User = 1 << 0,

    /// <summary>R/W is set on every level.</summary>
    Writable = 1 << 1,

    /// <summary>XD is set on some level.</summary>
    NoExecute = 1 << 2,

    /// <summary>G is set and CR4.PGE too.</summary>
    Global = 1 << 3,

    /// <summary>The dirty bit is set, or there is none to set.</summary>
    Dirty = 1 << 4,

    /// <summary>Part of a page larger than 4 KiB.</summary>
    Large = 1 << 5,

    /// <summary>EPT allows writes (or is off); likewise the next.</summary>
    EptWrite = 1 << 6,
    EptExecute = 1 << 7,
    EptRead = 1 << 8,

    /// <summary>Host memory that the guest must not write: ROM.</summary>
    ReadOnly = 1 << 9,

    /// <summary>A page larger than 2 MiB.</summary>
    Huge = 1 << 10,

    /// <summary>EPT refuses the access: an exit that carries its data, as for device memory. Never cached.</summary>
    EptRefused = 1 << 11,

    /// <summary>All rights of EPT.</summary>
    EptAll = EptRead | EptWrite | EptExecute,
}

/// <summary>Where instructions are fetched from. Device memory reads as all ones, and never changes.</summary>
internal readonly unsafe struct FetchTarget(byte* host, bool isMemory, bool isGlobal)
{
    /// <summary>What identifies the place: decoded code is kept by host address, so that all guest-physical names of a page (aliases, EPT) are one.</summary>
    public ulong Place => (ulong)Host;

    /// <summary>Host address of the first byte, valid to the end of the page.</summary>
    public byte* Host { get; } = host;

    public bool IsMemory { get; } = isMemory;

    /// <summary>Whether the translation is global: it outlives a change of address space.</summary>
    public bool IsGlobal { get; } = isGlobal;
}
