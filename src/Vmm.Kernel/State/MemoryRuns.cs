namespace Vmm.Kernel;

/// <summary>Pages of guest memory in a row that go into a snapshot.</summary>
/// <param name="Address">First guest-physical address.</param>
/// <param name="Length">Length in bytes, at most <see cref="SnapshotFormat.MaximumRun"/>.</param>
/// <param name="IsZero">Whether all of it is zeros.</param>
internal readonly record struct MemoryRun(ulong Address, int Length, bool IsZero);

/// <summary>Finds the runs of a region: every page that is not zero, or every page that was written.</summary>
internal static class MemoryRuns
{
    private const int PageSize = (int)HostMemory.PageSize;

    /// <summary>The runs by rising address.</summary>
    /// <param name="memory">The memory.</param>
    /// <param name="region">One of its regions.</param>
    /// <param name="dirty">One bit a page that counts; null for all pages but those of zeros.</param>
    public static IEnumerable<MemoryRun> Of(GuestMemory memory, GuestMemoryRegion region, ulong[]? dirty)
    {
        MemoryRun current = default;
        foreach (ulong address in dirty is null ? PagesWithData(memory, region) : DirtyPages(region, dirty))
        {
            bool zero = IsZero(memory, region, address);
            if (zero && dirty is null)
            {
                continue;
            }

            bool joins = current.Length != 0 && current.Address + (ulong)current.Length == address && current.IsZero == zero
                && current.Length < SnapshotFormat.MaximumRun;
            if (!joins && current.Length != 0)
            {
                yield return current;
            }

            current = joins ? current with { Length = current.Length + PageSize } : new MemoryRun(address, PageSize, zero);
        }

        if (current.Length != 0)
        {
            yield return current;
        }
    }

    private static bool IsZero(GuestMemory memory, GuestMemoryRegion region, ulong address) =>
        memory.Content(region, address, PageSize).IndexOfAnyExcept((byte)0) < 0;

    // Pages that the host never gave are not even looked at: looking would make it give them.
    private static IEnumerable<ulong> PagesWithData(GuestMemory memory, GuestMemoryRegion region)
    {
        foreach ((ulong start, ulong end) in memory.DataRanges(region))
        {
            for (ulong address = start; address < end; address += PageSize)
            {
                yield return address;
            }
        }
    }

    private static IEnumerable<ulong> DirtyPages(GuestMemoryRegion region, ulong[] dirty)
    {
        for (ulong page = 0; page < region.Length / PageSize; page++)
        {
            if ((dirty[page >> 6] & (1UL << (int)(page & 63))) != 0)
            {
                yield return region.Address + (page * PageSize);
            }
        }
    }
}
