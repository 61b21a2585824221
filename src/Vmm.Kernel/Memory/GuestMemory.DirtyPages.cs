using System.Collections.Concurrent;

namespace Vmm.Kernel;

// Which pages were written: by processors, by devices, by whoever has them pinned.
public sealed unsafe partial class GuestMemory
{
    // Pages of RAM regions, by the regions' addresses, that were ever pinned for writing: whoever has them pinned may
    // write at any later time, so that they always count as dirty.
    private readonly ConcurrentDictionary<ulong, ulong[]> _pinnedPages = new();
    private volatile bool _dirtyTracking;

    /// <inheritdoc/>
    public event Action? DirtyPagesWanted;

    /// <inheritdoc/>
    public bool DirtyTracking
    {
        get => _dirtyTracking;
        set
        {
            _dirtyTracking = value;
            Changed?.Invoke();
        }
    }

    /// <summary>Takes and clears the dirty bits of every RAM region, by its address, and goes on tracking.</summary>
    public IReadOnlyDictionary<ulong, ulong[]> TakeDirtyPages()
    {
        DirtyPagesWanted?.Invoke();
        Dictionary<ulong, ulong[]> taken = _regions.Where(r => r.Kind == GuestMemoryKind.Ram).ToDictionary(r => r.Address, CollectDirtyPages);
        foreach ((ulong address, ulong[] pinned) in _pinnedPages)
        {
            if (taken.TryGetValue(address, out ulong[]? bits))
            {
                for (int i = 0; i < bits.Length; i++)
                {
                    bits[i] |= Volatile.Read(ref pinned[i]);
                }
            }
        }

        DirtyTracking = true; // engines drop the write permissions under which they would not note a page again
        return taken;
    }

    /// <summary>Takes and clears the dirty bits of a RAM region: one bit a page.</summary>
    /// <param name="region">A RAM region.</param>
    /// <returns>The bits, 64 pages an element.</returns>
    public static ulong[] CollectDirtyPages(GuestMemoryRegion region)
    {
        ulong* bits = (ulong*)region.Physical.DirtyBitmap;
        var taken = new ulong[bits == null ? 0 : BitmapWords(region.Length)];
        for (int i = 0; i < taken.Length; i++)
        {
            taken[i] = Interlocked.Exchange(ref bits[i], 0);
        }

        return taken;
    }

    private void NoteWrite(GuestMemoryRegion region, ulong address, int length)
    {
        if (length == 0)
        {
            return;
        }

        Written?.Invoke(address, (ulong)length);
        if (!_dirtyTracking)
        {
            return;
        }

        FollowAlias(ref region, ref address, length);
        ulong* bits = (ulong*)region.Physical.DirtyBitmap;
        ulong first = (address - region.Address) / HostMemory.PageSize;
        ulong last = (address - region.Address + (ulong)length - 1) / HostMemory.PageSize;
        for (ulong page = first; bits != null && page <= last; page++)
        {
            Interlocked.Or(ref bits[page >> 6], 1UL << (int)(page & 63));
        }
    }

    private void MarkPinned(GuestMemoryRegion region, ulong address, int length)
    {
        FollowAlias(ref region, ref address, length);
        ulong[] bits = _pinnedPages.GetOrAdd(region.Address, static (_, region) => new ulong[BitmapWords(region.Length)], region);
        ulong last = (address - region.Address + (ulong)length - 1) / HostMemory.PageSize;
        for (ulong page = (address - region.Address) / HostMemory.PageSize; page <= last; page++)
        {
            ulong bit = 1UL << (int)(page & 63);
            if ((Volatile.Read(ref bits[page >> 6]) & bit) == 0)
            {
                Interlocked.Or(ref bits[page >> 6], bit);
            }
        }
    }

    /// <summary>Dirty bits are those of the region that an alias stands for.</summary>
    private void FollowAlias(ref GuestMemoryRegion region, ref ulong address, int length)
    {
        if (region.Kind == GuestMemoryKind.Alias)
        {
            address = region.TargetAddress + (address - region.Address);
            region = Find(address, (ulong)length)!;
        }
    }

    private static int BitmapWords(ulong length) => (int)((length / HostMemory.PageSize + 63) / 64);
}
