namespace Vmm.Vmx;

/// <summary>
/// Guest-physical memory as typed regions of host memory. The software engine reads the regions when it fills its TLB;
/// the KVM engine turns them into memory slots. Both treat an address outside every region as device memory: an EPT violation.
/// With "enable EPT" the guest-physical address first goes through the EPT tables; host-physical addresses are the
/// addresses of these regions, and those of <see cref="HostPage"/>.
/// </summary>
public interface IPhysicalMemory
{
    /// <summary>The regions that are backed by host memory, sorted by address, without overlap. Replaced as a whole on change; read without a lock.</summary>
    IReadOnlyList<PhysicalRegion> Regions { get; }

    /// <summary>Raised after <see cref="Regions"/> was replaced, while no processor of the VM is in its guest or after each was kicked.</summary>
    event Action Changed;

    /// <summary>
    /// One bit a 4-KiB page of <see cref="PhysicalRegion.DirtyBitmap"/> is set by whoever writes to the page.
    /// Whether anybody wants the bits now: engines drop cached write permissions when it turns true (through <see cref="Changed"/>).
    /// </summary>
    bool DirtyTracking { get; }

    /// <summary>
    /// Raised when something other than a processor writes to memory (devices, loaders), with address and length, after the
    /// write or when memory is pinned for one: an engine that keeps decoded code drops what it has of the range.
    /// Any thread. Memory that nobody but processors writes to need not raise it.
    /// </summary>
    event Action<ulong, ulong> Written
    {
        add { }
        remove { }
    }

    /// <summary>
    /// Raised before dirty bits are taken: an engine whose processors log their writes elsewhere (KVM's dirty log) brings
    /// them in. Any thread. Memory whose bits nobody takes need not raise it.
    /// </summary>
    event Action DirtyPagesWanted
    {
        add { }
        remove { }
    }
}

/// <summary>A range of guest-physical addresses backed by host memory.</summary>
/// <param name="GuestPhysicalAddress">First address, 4-KiB-aligned.</param>
/// <param name="Length">Length in bytes, a multiple of 4 KiB.</param>
/// <param name="HostAddress">Host virtual address of the first byte; stays mapped while the VM exists.</param>
/// <param name="ReadOnly">Whether guest writes go to the exit path (ROM).</param>
/// <param name="DirtyBitmap">Host virtual address of one bit a page, set with atomic or; 0 when the region is not tracked.</param>
public readonly record struct PhysicalRegion(ulong GuestPhysicalAddress, ulong Length, nint HostAddress, bool ReadOnly, nint DirtyBitmap);

/// <summary>Time for an engine.</summary>
public interface ITimeSource
{
    /// <summary>Value of the host's time-stamp counter as VMX guests see it before TSC offsetting. Callable from any thread, cheap.</summary>
    ulong Timestamp { get; }

    /// <summary>Its frequency in Hz.</summary>
    ulong Frequency { get; }
}
