using System.Buffers.Binary;

namespace Vmm.Kernel;

/// <summary>
/// EPT tables that map guest memory to itself with the largest pages that fit (SDM Vol. 3C 29.3). Device memory is
/// absent and so causes EPT violations. Each change builds new tables; a processor moves to them at its next entry, and
/// the pages of the old ones are used again once every processor has moved.
/// </summary>
internal sealed class ExtendedPageTables(IVmxMachine machine, GuestMemory memory, EptVpidCapabilities capabilities)
{
    private const int EntriesPerTable = 512, TopLevel = 4;
    private const ulong AddressLine20 = 1 << 20, AddressLine20Reach = 1UL << 32;

    private readonly Queue<(long Generation, Dictionary<ulong, HostPage> Pages)> _retired = new();
    private readonly Stack<HostPage> _free = new();
    private Dictionary<ulong, HostPage> _pages = [];
    private HostPage _root;

    /// <summary>Number of the tables in use; grows with each rebuild.</summary>
    public long Generation { get; private set; }

    /// <summary>What goes into the EPT-pointer field.</summary>
    public EptPointer Pointer { get; private set; }

    /// <summary>Builds tables for the regions of now.</summary>
    /// <param name="addressLine20">Whether A20 passes; when not, odd megabytes below 4 GiB show the even ones.</param>
    /// <param name="oldestInUse">The oldest generation that a processor may still use.</param>
    public void Rebuild(bool addressLine20, long oldestInUse)
    {
        _retired.Enqueue((Generation, _pages));
        while (_retired.TryPeek(out (long Generation, Dictionary<ulong, HostPage> Pages) old) && old.Generation < oldestInUse)
        {
            foreach (HostPage page in _retired.Dequeue().Pages.Values)
            {
                _free.Push(page);
            }
        }

        _pages = [];
        _root = NewTable();
        foreach (GuestMemoryRegion region in memory.Map)
        {
            EptAccess access = EptAccess.Read | EptAccess.Execute | (region.Physical.ReadOnly ? 0 : EptAccess.Write);
            Map(region, access, addressLine20);
        }

        Generation++;
        Pointer = EptPointer.Create(_root.PhysicalAddress);
    }

    private void Map(GuestMemoryRegion region, EptAccess access, bool addressLine20)
    {
        for (ulong address = region.Address; address < region.End;)
        {
            bool masked = !addressLine20 && address < AddressLine20Reach;
            ulong seen = masked ? address & ~AddressLine20 : address;
            GuestMemoryRegion? behind = seen == address ? region : memory.Find(seen, HostMemory.PageSize);
            ulong target = behind is null ? 0 : behind.TargetAddress + (seen - behind.Address);
            int level = masked ? 1 : LargestLevel(address, target, region.End - address);
            if (behind is not null)
            {
                Set(address, level, EptEntry.Page(target, access, level));
            }

            address += PageLength(level);
        }
    }

    private int LargestLevel(ulong address, ulong target, ulong left)
    {
        bool Fits(int level) => ((address | target) & (PageLength(level) - 1)) == 0 && left >= PageLength(level);
        return capabilities.HasFlag(EptVpidCapabilities.Pages1G) && Fits(3) ? 3
            : capabilities.HasFlag(EptVpidCapabilities.Pages2M) && Fits(2) ? 2
            : 1;
    }

    private void Set(ulong address, int level, EptEntry entry)
    {
        HostPage table = _root;
        for (int i = TopLevel; i > level; i--)
        {
            Span<byte> slot = Slot(table, address, i);
            ulong next = BinaryPrimitives.ReadUInt64LittleEndian(slot);
            if (next == 0)
            {
                table = NewTable();
                BinaryPrimitives.WriteUInt64LittleEndian(slot, EptEntry.Table(table.PhysicalAddress).Value);
            }
            else
            {
                table = _pages[new EptEntry(next).Address];
            }
        }

        BinaryPrimitives.WriteUInt64LittleEndian(Slot(table, address, level), entry.Value);
    }

    private HostPage NewTable()
    {
        HostPage page = _free.TryPop(out HostPage free) ? free : machine.AllocatePage();
        page.Memory.Span.Clear();
        _pages.Add(page.PhysicalAddress, page);
        return page;
    }

    private static Span<byte> Slot(HostPage table, ulong address, int level)
    {
        int index = (int)(address >> (12 + (9 * (level - 1)))) & (EntriesPerTable - 1);
        return table.Memory.Span.Slice(index * 8, 8);
    }

    private static ulong PageLength(int level) => 1UL << (12 + (9 * (level - 1)));
}
