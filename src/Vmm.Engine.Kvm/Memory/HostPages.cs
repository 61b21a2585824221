using System.Buffers.Binary;

namespace Vmm.Engine.Kvm.Memory;

/// <summary>The pages that VMCS fields point to, in the upper half of the host-physical addresses, above every guest region.</summary>
internal sealed class HostPages(int addressBits)
{
    private const int PageSize = 4096;

    private readonly Lock _gate = new();
    private readonly ulong _first = 1UL << (addressBits - 1);
    private byte[][] _pages = [];

    /// <summary>Allocates a zeroed page.</summary>
    public HostPage Allocate()
    {
        byte[] page = new byte[PageSize];
        lock (_gate)
        {
            ulong address = _first + ((ulong)_pages.Length * PageSize);
            _pages = [.. _pages, page];
            return new HostPage(address, page);
        }
    }

    /// <summary>The page at an address, or null.</summary>
    public byte[]? Find(ulong address)
    {
        byte[][] pages = Volatile.Read(ref _pages);
        ulong index = (address - _first) / PageSize;
        return address >= _first && index < (ulong)pages.Length ? pages[index] : null;
    }

    /// <summary>Reads an entry of a table.</summary>
    public ulong ReadEntry(ulong table, int index) =>
        Find(table) is { } page ? BinaryPrimitives.ReadUInt64LittleEndian(page.AsSpan(index * 8)) : 0;
}
