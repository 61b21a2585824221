using Vmm.Vmx;

namespace Vmm.Engine.Software.Memory;

/// <summary>One processor's way to physical memory: remembers the region it used last.</summary>
internal sealed unsafe class PhysicalAccess(PhysicalAddressSpace memory)
{
    private PhysicalRegion[] _regions = memory.Regions;
    private int _last;

    public PhysicalAddressSpace Memory => memory;

    /// <summary>Mask of the address bits that exist.</summary>
    public ulong AddressMask { get; } = (1UL << memory.AddressBits) - 1;

    /// <summary>Takes notice of a change of regions.</summary>
    public void Refresh()
    {
        _regions = memory.Regions;
        _last = 0;
    }

    /// <summary>Host address of a physical address, or null for device memory.</summary>
    public byte* Host(ulong physical, out bool readOnly)
    {
        int index = Find(physical);
        if (index < 0)
        {
            readOnly = false;
            return null;
        }

        ref readonly PhysicalRegion region = ref _regions[index];
        readOnly = region.ReadOnly;
        return (byte*)region.HostAddress + (physical - region.GuestPhysicalAddress);
    }

    /// <summary>Sets the dirty bit of a page.</summary>
    public void MarkDirty(ulong physical)
    {
        int index = Find(physical);
        if (index >= 0)
        {
            PhysicalAddressSpace.MarkDirty(_regions[index], physical);
        }
    }

    /// <summary>Reads an aligned paging-structure entry; device memory reads as all ones, whose reserved bits fault.</summary>
    public ulong Read(ulong physical)
    {
        byte* host = Host(physical, out _);
        return host == null ? ulong.MaxValue : Volatile.Read(ref *(ulong*)host);
    }

    /// <summary>As <see cref="Read"/>, 32 bits.</summary>
    public uint Read32(ulong physical)
    {
        byte* host = Host(physical, out _);
        return host == null ? uint.MaxValue : Volatile.Read(ref *(uint*)host);
    }

    /// <summary>Sets bits in an entry; entries in ROM or device memory keep theirs.</summary>
    public void Or(ulong physical, ulong bits)
    {
        byte* host = Host(physical, out bool readOnly);
        if (host != null && !readOnly && (Volatile.Read(ref *(ulong*)host) & bits) != bits)
        {
            Interlocked.Or(ref *(ulong*)host, bits);
            MarkDirty(physical);
        }
    }

    /// <summary>Sets bits in an entry if it is still as expected; false: it changed.</summary>
    public bool Update(ulong physical, ulong expected, ulong bits, bool wide)
    {
        byte* host = Host(physical, out bool readOnly);
        if (host == null || readOnly)
        {
            return true;
        }

        MarkDirty(physical);
        return wide
            ? Interlocked.CompareExchange(ref *(ulong*)host, expected | bits, expected) == expected
            : Interlocked.CompareExchange(ref *(uint*)host, (uint)(expected | bits), (uint)expected) == (uint)expected;
    }

    private int Find(ulong physical)
    {
        PhysicalRegion[] regions = _regions;
        if ((uint)_last < (uint)regions.Length && physical - regions[_last].GuestPhysicalAddress < regions[_last].Length)
        {
            return _last;
        }

        int index = PhysicalAddressSpace.Find(regions, physical);
        if (index >= 0)
        {
            _last = index;
        }

        return index;
    }
}
