namespace Vmm.Kernel;

/// <summary>
/// RAM at addresses that a ROM may answer instead, segment by segment, as a host bridge commands. Every segment is one
/// region of <see cref="GuestMemory"/> while something answers there.
/// </summary>
public sealed class ShadowMemory : IShadowMemory
{
    /// <summary>What is switched at a time.</summary>
    public const ulong SegmentLength = 16 << 10;

    private readonly Lock _change = new();
    private readonly GuestMemory _memory;
    private readonly Segment[] _segments;
    private readonly PhysicalRegion _ram;
    private readonly ulong _address;

    internal ShadowMemory(GuestMemory memory, string name, PhysicalRegion ram, PhysicalRegion? rom)
    {
        _memory = memory;
        _ram = ram;
        _address = ram.GuestPhysicalAddress;
        _segments = [.. Enumerable.Range(0, (int)(ram.Length / SegmentLength)).Select(i => new Segment(name, ram, i, rom))];
    }

    /// <summary>The regions that answer now.</summary>
    internal GuestMemoryRegion[] Shown => [.. _segments.Select(segment => segment.Shown).OfType<GuestMemoryRegion>()];

    /// <inheritdoc/>
    public void Set(ulong address, ulong length, ShadowAccess access)
    {
        lock (_change)
        {
            ulong first = (address - _address) / SegmentLength;
            ulong end = first + (length / SegmentLength);
            if (address < _address || ((address | length) & (SegmentLength - 1)) != 0 || end > (ulong)_segments.Length)
            {
                throw new ArgumentOutOfRangeException(nameof(address), $"0x{address:x} with length 0x{length:x} is no range of whole segments of shadow memory.");
            }

            Segment[] changed = [.. _segments[(int)first..(int)end].Where(segment => segment.Access != access)];
            GuestMemoryRegion[] old = [.. changed.Select(segment => segment.Shown).OfType<GuestMemoryRegion>()];
            Array.ForEach(changed, segment => segment.Access = access);
            if (changed.Length != 0)
            {
                _memory.Exchange(old, [.. changed.Select(segment => segment.Shown).OfType<GuestMemoryRegion>()]);
            }
        }
    }

    /// <summary>Shows all of the RAM, so that it can be filled; <see cref="Restore"/> has the last word.</summary>
    internal void ShowRam() => Set(_address, (ulong)_segments.Length * SegmentLength, ShadowAccess.Read | ShadowAccess.Write);

    internal void Save(IStateWriter state)
    {
        // All of the RAM: what does not show now is not among the guest's memory, and the guest may show it later.
        state.Bytes((int)ShadowField.Access, Array.ConvertAll(_segments, segment => (byte)segment.Access));
        state.Bytes((int)ShadowField.Content, Content);
    }

    /// <summary>Sets what answers, and the RAM behind it.</summary>
    /// <exception cref="StateException">It is the state of other shadow memory.</exception>
    internal void Restore(IStateReader state)
    {
        byte[] access = new byte[_segments.Length];
        if (!state.Bytes((int)ShadowField.Access, access) || !state.Bytes((int)ShadowField.Content, Content)
            || Array.Exists(access, value => value > (byte)(ShadowAccess.Read | ShadowAccess.Write)))
        {
            throw new StateException("what shows there, or the RAM, is missing or impossible.");
        }

        for (int i = 0; i < access.Length; i++)
        {
            Set(_address + ((ulong)i * SegmentLength), SegmentLength, (ShadowAccess)access[i]);
        }
    }

    private unsafe Span<byte> Content => new((void*)_ram.HostAddress, (int)_ram.Length); // as long as the memory that it belongs to

    /// <summary>A segment with what may answer in it.</summary>
    private sealed class Segment
    {
        private readonly GuestMemoryRegion _ram;
        private readonly GuestMemoryRegion _protectedRam;
        private readonly GuestMemoryRegion? _rom;

        public Segment(string name, PhysicalRegion ram, int index, PhysicalRegion? rom)
        {
            ulong offset = (ulong)index * SegmentLength;
            ulong address = ram.GuestPhysicalAddress + offset;

            // A word of dirty bits for each segment: a region's bits begin with its first page.
            PhysicalRegion own = new(address, SegmentLength, ram.HostAddress + (nint)offset, ReadOnly: false, ram.DirtyBitmap + (index * sizeof(ulong)));
            _ram = new GuestMemoryRegion(name, GuestMemoryKind.Ram, own, address);
            _protectedRam = _ram with { Physical = own with { ReadOnly = true } };
            if (rom is { } behind && address >= behind.GuestPhysicalAddress)
            {
                nint host = behind.HostAddress + (nint)(address - behind.GuestPhysicalAddress);
                _rom = new GuestMemoryRegion($"{name} off", GuestMemoryKind.Rom, new PhysicalRegion(address, SegmentLength, host, ReadOnly: true, 0), address);
            }
        }

        public ShadowAccess Access { get; set; } = ShadowAccess.None;

        /// <summary>What answers now; null: nothing.</summary>
        public GuestMemoryRegion? Shown => Access switch
        {
            ShadowAccess.Read | ShadowAccess.Write => _ram,
            ShadowAccess.Read => _protectedRam,
            _ => _rom,
        };
    }
}
