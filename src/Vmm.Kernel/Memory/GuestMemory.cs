namespace Vmm.Kernel;

/// <summary>
/// The memory of one VM: typed regions of <see cref="HostMemory"/>. Reads take no lock: the region table is immutable
/// and replaced as a whole.
/// </summary>
/// <remarks>
/// Invariant of the unsafe code here: the blocks behind regions and bitmaps stay mapped while this object or a range
/// pinned in it is referenced, and every access is checked against its region before the pointer is made.
/// </remarks>
public sealed unsafe partial class GuestMemory : IGuestMemory, IPhysicalMemory, IDisposable
{
    private readonly Lock _change = new();
    private readonly List<HostMemory> _blocks = [];
    private volatile GuestMemoryRegion[] _regions = [];
    private volatile PhysicalRegion[] _physical = [];

    /// <inheritdoc/>
    public event Action? Changed;

    /// <inheritdoc/>
    public event Action<ulong, ulong>? Written;

    /// <summary>The regions with their names, sorted by address.</summary>
    public IReadOnlyList<GuestMemoryRegion> Map => _regions;

    /// <inheritdoc/>
    public IReadOnlyList<PhysicalRegion> Regions => _physical;

    /// <summary>Bytes of RAM in all regions.</summary>
    public ulong RamBytes => _regions.Where(r => r.Kind == GuestMemoryKind.Ram).Aggregate(0UL, (sum, r) => sum + r.Length);

    /// <summary>Checks an amount of RAM before anything is built.</summary>
    /// <param name="bytes">The amount wanted.</param>
    /// <exception cref="MemoryConfigurationException">0, not a multiple of 4 KiB, or more than the host has.</exception>
    public static void CheckSize(ulong bytes)
    {
        if (bytes == 0)
        {
            throw new MemoryConfigurationException("The memory size is 0; give at least 4 KiB, for example 512M.");
        }

        if (bytes % HostMemory.PageSize != 0)
        {
            throw new MemoryConfigurationException($"The memory size {bytes} is not a multiple of 4 KiB ({HostMemory.PageSize}).");
        }

        if (HostMemory.Available() is { } available && bytes > available)
        {
            throw new MemoryConfigurationException(
                $"The memory size {bytes >> 20} MiB is more than this host can give now ({available >> 20} MiB).");
        }
    }

    /// <summary>Adds RAM.</summary>
    /// <param name="name">Name for messages.</param>
    /// <param name="address">First guest-physical address, a multiple of 4 KiB.</param>
    /// <param name="length">Length in bytes, a multiple of 4 KiB.</param>
    /// <exception cref="MemoryConfigurationException">The range is malformed or overlaps another, or the host has too little memory.</exception>
    public GuestMemoryRegion AddRam(string name, ulong address, ulong length)
    {
        CheckSize(length);
        CheckSize(RamBytes + length);
        return Add(name, GuestMemoryKind.Ram, address, length, default);
    }

    /// <summary>Adds read-only memory with a content; the last page is filled up with ones.</summary>
    /// <param name="name">Name for messages.</param>
    /// <param name="address">First guest-physical address, a multiple of 4 KiB.</param>
    /// <param name="content">The content, at least one byte.</param>
    /// <exception cref="MemoryConfigurationException">The range is malformed or overlaps another.</exception>
    public GuestMemoryRegion AddRom(string name, ulong address, ReadOnlySpan<byte> content)
    {
        ulong length = PageAligned((ulong)content.Length);
        return Add(name, GuestMemoryKind.Rom, address, length, content);
    }

    /// <summary>Adds another name for a part of an existing region.</summary>
    /// <param name="name">Name for messages.</param>
    /// <param name="address">First guest-physical address of the alias.</param>
    /// <param name="target">First guest-physical address that it stands for.</param>
    /// <param name="length">Length in bytes.</param>
    /// <exception cref="MemoryConfigurationException">The range is malformed, overlaps another, or has no target.</exception>
    public GuestMemoryRegion AddAlias(string name, ulong address, ulong target, ulong length)
    {
        lock (_change)
        {
            CheckRange(name, address, length);
            GuestMemoryRegion region = Find(target, length)
                ?? throw new MemoryConfigurationException($"Memory region '{name}': its target 0x{target:x} is not wholly in one region.");
            PhysicalRegion behind = region.Physical;
            ulong skip = target - region.Address;
            var physical = new PhysicalRegion(address, length, behind.HostAddress + (nint)skip, behind.ReadOnly, 0);
            return Publish(new GuestMemoryRegion(name, GuestMemoryKind.Alias, physical, region.TargetAddress + skip));
        }
    }

    /// <summary>Takes a region away, for example a ROM that the board shadows with RAM. Its host memory stays mapped.</summary>
    /// <param name="region">A region of this memory.</param>
    public void Remove(GuestMemoryRegion region)
    {
        lock (_change)
        {
            Replace([.. _regions.Where(r => r != region)]);
        }
    }

    /// <summary>The region that holds a whole range, or null.</summary>
    /// <param name="address">First guest-physical address.</param>
    /// <param name="length">Length in bytes.</param>
    public GuestMemoryRegion? Find(ulong address, ulong length)
    {
        GuestMemoryRegion[] regions = _regions;
        int low = 0, high = regions.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            GuestMemoryRegion region = regions[middle];
            if (address < region.Address)
            {
                high = middle - 1;
            }
            else if (address - region.Address >= region.Length)
            {
                low = middle + 1;
            }
            else
            {
                return length <= region.Length - (address - region.Address) ? region : null;
            }
        }

        return null;
    }

    /// <inheritdoc/>
    public bool TryRead(ulong address, Span<byte> destination)
    {
        if (Find(address, (ulong)destination.Length) is { } region)
        {
            Span(region, address, destination.Length).CopyTo(destination);
            return true;
        }

        return IsBacked(address, destination.Length, writable: false) && Transfer(address, destination, default);
    }

    /// <inheritdoc/>
    public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
    {
        if (Find(address, (ulong)source.Length) is { Physical.ReadOnly: false } region)
        {
            source.CopyTo(Span(region, address, source.Length));
            NoteWrite(region, address, source.Length);
            return true;
        }

        return IsBacked(address, source.Length, writable: true) && Transfer(address, default, source);
    }

    /// <inheritdoc/>
    public bool TryPin(ulong address, int length, GuestAccess access, out Memory<byte> memory)
    {
        memory = default;
        if (length < 1 || Find(address, (ulong)length) is not { } region || (access == GuestAccess.Write && region.Physical.ReadOnly))
        {
            return false;
        }

        if (access == GuestAccess.Write)
        {
            NoteWrite(region, address, length);
            MarkPinned(region, address, length);
        }

        memory = new GuestMemoryManager(_blocks, HostPointer(region, address), length).Memory;
        return true;
    }

    /// <summary>Writes content that the host provides, also into ROM; for loaders.</summary>
    /// <param name="address">Guest-physical address.</param>
    /// <param name="content">The bytes.</param>
    /// <returns>False when the range is not wholly in one region.</returns>
    public bool TryLoad(ulong address, ReadOnlySpan<byte> content)
    {
        if (Find(address, (ulong)content.Length) is not { } region)
        {
            return false;
        }

        content.CopyTo(Span(region, address, content.Length));
        NoteWrite(region, address, content.Length);
        return true;
    }

    /// <summary>The bytes of a part of a region, for reading at once.</summary>
    internal ReadOnlySpan<byte> Content(GuestMemoryRegion region, ulong address, int length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(address, region.Address);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(address - region.Address + (ulong)length, region.Length, nameof(length));
        return Span(region, address, length);
    }

    /// <summary>The ranges of a region, from first to behind the last address, for which the host has given pages; the rest is zeros.</summary>
    internal IEnumerable<(ulong Start, ulong End)> DataRanges(GuestMemoryRegion region)
    {
        HostMemory? block = _blocks.Find(block => block.Address == region.Physical.HostAddress && block.Length == region.Length);
        return block?.DataRanges().Select(range => (region.Address + range.Start, region.Address + range.End)) ?? [(region.Address, region.End)];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_change)
        {
            _regions = [];
            _physical = [];
            _blocks.ForEach(block => block.Dispose());
        }
    }

    private GuestMemoryRegion Add(string name, GuestMemoryKind kind, ulong address, ulong length, ReadOnlySpan<byte> content)
    {
        lock (_change)
        {
            CheckRange(name, address, length);
            var block = new HostMemory(name, length);
            _blocks.Add(block);
            nint bitmap = 0;
            if (kind == GuestMemoryKind.Ram)
            {
                var bits = new HostMemory($"{name} dirty pages", PageAligned((ulong)BitmapWords(length) * sizeof(ulong)));
                _blocks.Add(bits);
                bitmap = bits.Address;
            }
            else
            {
                var all = new Span<byte>((void*)block.Address, (int)length);
                content.CopyTo(all);
                all[content.Length..].Fill(0xFF);
            }

            var physical = new PhysicalRegion(address, length, block.Address, kind == GuestMemoryKind.Rom, bitmap);
            return Publish(new GuestMemoryRegion(name, kind, physical, address));
        }
    }

    private void CheckRange(string name, ulong address, ulong length)
    {
        if (length == 0 || ((address | length) & (HostMemory.PageSize - 1)) != 0 || address + length < address)
        {
            throw new MemoryConfigurationException(
                $"Memory region '{name}': 0x{address:x} with length 0x{length:x} is not a range of whole 4-KiB pages.");
        }

        if (_regions.FirstOrDefault(r => address < r.End && r.Address < address + length) is { } other)
        {
            throw new MemoryConfigurationException(
                $"Memory region '{name}' (0x{address:x}-0x{address + length - 1:x}) overlaps '{other.Name}' (0x{other.Address:x}-0x{other.End - 1:x}).");
        }
    }

    private GuestMemoryRegion Publish(GuestMemoryRegion region)
    {
        Replace([.. _regions, region]);
        return region;
    }

    private void Replace(GuestMemoryRegion[] regions)
    {
        Array.Sort(regions, (a, b) => a.Address.CompareTo(b.Address));
        _regions = regions;
        _physical = [.. regions.Select(r => r.Physical)];
        Changed?.Invoke();
    }

    private bool IsBacked(ulong address, int length, bool writable)
    {
        ulong left = (ulong)length;
        while (left > 0)
        {
            if (Find(address, 1) is not { } region || (writable && region.Physical.ReadOnly))
            {
                return false;
            }

            ulong part = Math.Min(left, region.End - address);
            address += part;
            left -= part;
        }

        return true;
    }

    private bool Transfer(ulong address, Span<byte> destination, ReadOnlySpan<byte> source)
    {
        while (destination.Length + source.Length > 0)
        {
            GuestMemoryRegion region = Find(address, 1)!;
            int part = (int)Math.Min((ulong)(destination.Length + source.Length), region.End - address);
            if (source.IsEmpty)
            {
                Span(region, address, part).CopyTo(destination);
                destination = destination[part..];
            }
            else
            {
                source[..part].CopyTo(Span(region, address, part));
                NoteWrite(region, address, part);
                source = source[part..];
            }

            address += (ulong)part;
        }

        return true;
    }

    private static ulong PageAligned(ulong length) => (length + HostMemory.PageSize - 1) & ~(HostMemory.PageSize - 1);

    private static byte* HostPointer(GuestMemoryRegion region, ulong address) => (byte*)region.Physical.HostAddress + (address - region.Address);

    private static Span<byte> Span(GuestMemoryRegion region, ulong address, int length) => new(HostPointer(region, address), length);
}
