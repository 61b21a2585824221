namespace Vmm.Kernel;

/// <summary>What a range of guest-physical addresses is.</summary>
public enum GuestMemoryKind
{
    /// <summary>Read, written, executed.</summary>
    Ram,

    /// <summary>Read and executed; writes go to the exit path.</summary>
    Rom,

    /// <summary>Another name for a part of an earlier region.</summary>
    Alias,
}

/// <summary>A named range of guest memory.</summary>
/// <param name="Name">Name for messages.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Physical">Where it is, in the guest and in the host.</param>
/// <param name="TargetAddress">For an alias the guest-physical address that it stands for, else its own.</param>
public sealed record GuestMemoryRegion(string Name, GuestMemoryKind Kind, PhysicalRegion Physical, ulong TargetAddress)
{
    /// <summary>First guest-physical address.</summary>
    public ulong Address => Physical.GuestPhysicalAddress;

    /// <summary>Length in bytes.</summary>
    public ulong Length => Physical.Length;

    /// <summary>First address behind the region.</summary>
    public ulong End => Address + Length;
}
