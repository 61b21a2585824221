namespace Vmm.Kernel;

// RAM and ROM at the same addresses.
public sealed unsafe partial class GuestMemory
{
    /// <summary>The RAM behind which a ROM may show, or null.</summary>
    internal ShadowMemory? Shadow { get; private set; }

    /// <summary>Adds RAM behind which a ROM may show; at first the ROM does. Once at most.</summary>
    /// <param name="name">Name for messages.</param>
    /// <param name="address">First guest-physical address, a multiple of 16 KiB.</param>
    /// <param name="length">Length in bytes, a multiple of 16 KiB, at most 256 KiB.</param>
    /// <param name="rom">A region whose end shows at the end of the range too, or null.</param>
    /// <param name="romLength">How much of the ROM shows, a multiple of 16 KiB.</param>
    /// <exception cref="MemoryConfigurationException">The range is malformed or overlaps another.</exception>
    public ShadowMemory AddShadow(string name, ulong address, ulong length, GuestMemoryRegion? rom = null, ulong romLength = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, 64 * HostMemory.PageSize); // a page holds the dirty bits of all segments
        ArgumentOutOfRangeException.ThrowIfGreaterThan(romLength, Math.Min(length, rom?.Length ?? 0));
        lock (_change)
        {
            CheckRange(name, address, length);
            if (Shadow is not null)
            {
                throw new MemoryConfigurationException($"Memory region '{name}': there is shadow memory already.");
            }

            HostMemory block = new(name, length);
            HostMemory bits = new($"{name} dirty pages", HostMemory.PageSize);
            _blocks.AddRange([block, bits]);
            PhysicalRegion ram = new(address, length, block.Address, ReadOnly: false, bits.Address);
            PhysicalRegion? shown = rom is null ? null
                : new PhysicalRegion(address + length - romLength, romLength, rom.Physical.HostAddress + (nint)(rom.Length - romLength), ReadOnly: true, 0);
            ShadowMemory shadow = new(this, name, ram, shown);
            Exchange([], shadow.Shown);
            Shadow = shadow;
            return shadow;
        }
    }

    /// <summary>Replaces regions by others at once.</summary>
    internal void Exchange(IReadOnlyCollection<GuestMemoryRegion> old, IReadOnlyCollection<GuestMemoryRegion> shown)
    {
        lock (_change)
        {
            Replace([.. _regions.Except(old), .. shown]);
        }
    }
}
