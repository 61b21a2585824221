using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software;

/// <summary>
/// The host-physical address space of one machine: the guest's memory regions, and above them the pages that VMCS
/// fields point to.
/// </summary>
/// <remarks>Unsafe invariant: pages are pinned and live as long as this object; regions stay mapped while the VM exists.</remarks>
internal sealed unsafe class HostPhysicalMemory(IPhysicalMemory guest)
{
    /// <summary>Width of physical addresses.</summary>
    public const int AddressBits = 46;

    /// <summary>First address of host pages: the upper half of what an address can say.</summary>
    private const ulong FirstPage = 1UL << (AddressBits - 1);

    private const int PageSize = 4096;

    private readonly Lock _gate = new();
    private byte[][] _pages = [];

    /// <summary>The VMCSs, which have addresses too; where their data is is the processor's affair (SDM Vol. 3C 25.2).</summary>
    public VmcsRegions VmcsRegions { get; } = new(EngineCapabilities.Revision);

    /// <summary>The guest's memory.</summary>
    public IPhysicalMemory Guest { get; } = guest;

    /// <summary>The same memory as translation sees it.</summary>
    public PhysicalAddressSpace AddressSpace { get; } = new(guest, AddressBits);

    /// <summary>Allocates a zeroed page.</summary>
    public HostPage AllocatePage()
    {
        // Twice the size, so that an aligned page lies within.
        byte[] block = GC.AllocateArray<byte>(2 * PageSize, pinned: true);
        lock (_gate)
        {
            ulong address = FirstPage + ((ulong)_pages.Length * PageSize);
            _pages = [.. _pages, block];
            AddressSpace.AddHostPage(address, (nint)System.Runtime.CompilerServices.Unsafe.AsPointer(ref block[AlignedOffset(block)]));
            return new HostPage(address, block.AsMemory(AlignedOffset(block), PageSize));
        }
    }

    /// <summary>Host pointer to a physical address that is memory, for structures the processor itself reads; false for device memory.</summary>
    public bool TryResolve(ulong physical, out byte* pointer)
    {
        if (physical >= FirstPage)
        {
            ulong index = (physical - FirstPage) / PageSize;
            byte[][] pages = _pages;
            if (index < (ulong)pages.Length)
            {
                byte[] block = pages[index];
                pointer = (byte*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref block[0]) + AlignedOffset(block) + (physical & (PageSize - 1));
                return true;
            }
        }
        else if (TryFindRegion(physical, out PhysicalRegion region))
        {
            pointer = (byte*)region.HostAddress + (physical - region.GuestPhysicalAddress);
            return true;
        }

        pointer = null;
        return false;
    }

    /// <summary>The region of guest memory around an address.</summary>
    public bool TryFindRegion(ulong physical, out PhysicalRegion region)
    {
        IReadOnlyList<PhysicalRegion> regions = Guest.Regions;
        int low = 0;
        int high = regions.Count - 1;
        while (low <= high)
        {
            int middle = (low + high) / 2;
            PhysicalRegion candidate = regions[middle];
            if (physical < candidate.GuestPhysicalAddress)
            {
                high = middle - 1;
            }
            else if (physical - candidate.GuestPhysicalAddress >= candidate.Length)
            {
                low = middle + 1;
            }
            else
            {
                region = candidate;
                return true;
            }
        }

        region = default;
        return false;
    }

    private static int AlignedOffset(byte[] block)
    {
        ulong start = (ulong)System.Runtime.CompilerServices.Unsafe.AsPointer(ref block[0]);
        return (int)((start + PageSize - 1) / PageSize * PageSize - start);
    }
}
