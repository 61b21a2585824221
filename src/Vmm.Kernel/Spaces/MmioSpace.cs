namespace Vmm.Kernel;

/// <summary>
/// Memory-mapped registers by guest-physical address: an immutable table, sorted by address, replaced on change.
/// </summary>
public sealed class MmioSpace
{
    private readonly Lock _change = new();
    private readonly List<ResourceConflict> _conflicts = [];
    private readonly ClaimList _claims = new();
    private readonly RateLimitedLog _log;
    private volatile MmioClaim[] _table = [];
    private long _unanswered;

    internal MmioSpace(IHostLog log, string vm, TimeProvider time) => _log = new RateLimitedLog(log, vm, time);

    /// <summary>Accesses that no device answered.</summary>
    public long Unanswered => Volatile.Read(ref _unanswered);

    /// <summary>The claims that are mapped now.</summary>
    internal IReadOnlyList<MmioClaim> Claims => _table;

    /// <summary>Whether a device has claimed an address.</summary>
    /// <param name="address">Guest-physical address.</param>
    public bool IsClaimed(ulong address) => Find(address) is not null;

    /// <summary>Carries out a read.</summary>
    /// <param name="address">Guest-physical address.</param>
    /// <param name="width">1, 2, 4 or 8.</param>
    /// <returns>The value; all ones where nothing answers.</returns>
    public ulong Read(ulong address, int width)
    {
        MmioClaim? claim = Find(address);
        if (claim is not null && claim.Accepts(address, width))
        {
            return claim.Read(address, width);
        }

        if (claim is null || !claim.Splits(width))
        {
            NoResponse("read", address, width);
            return ulong.MaxValue >> (64 - (8 * width));
        }

        int half = width / 2;
        return Read(address, half) | (Read(address + (ulong)half, half) << (8 * half));
    }

    /// <summary>Carries out a write.</summary>
    /// <param name="address">Guest-physical address.</param>
    /// <param name="width">1, 2, 4 or 8.</param>
    /// <param name="value">The value; bits above the width are ignored.</param>
    public void Write(ulong address, int width, ulong value)
    {
        MmioClaim? claim = Find(address);
        if (claim is not null && claim.Accepts(address, width))
        {
            claim.Write(address, width, value & (ulong.MaxValue >> (64 - (8 * width))));
            return;
        }

        if (claim is null || !claim.Splits(width))
        {
            NoResponse("write", address, width);
            return;
        }

        int half = width / 2;
        Write(address, half, value);
        Write(address + (ulong)half, half, value >> (8 * half));
    }

    internal IRegionClaim Claim(DeviceInstance owner, string name, ulong address, ulong length, AccessWidths widths, IMmioDevice handler, bool enabled = true)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ArgumentOutOfRangeException.ThrowIfZero(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length - 1, ulong.MaxValue - address, nameof(length));
        if (widths == AccessWidths.None || (widths & ~AccessWidths.Any) != 0)
        {
            throw new ArgumentException($"Memory-mapped region '{name}': widths {widths} are not legal.", nameof(widths));
        }

        var claim = new MmioClaim(this, owner, name, address, length, widths, handler);
        _claims.Add(claim);
        if (enabled)
        {
            Map(claim, noteConflict: true);
        }
        else
        {
            claim.Enabled = false;
        }

        return claim;
    }

    /// <summary>Every claim, mapped or not.</summary>
    internal ClaimList AllClaims => _claims;

    /// <summary>Takes the conflicts noted since the last call.</summary>
    internal IReadOnlyList<ResourceConflict> TakeConflicts()
    {
        lock (_change)
        {
            ResourceConflict[] taken = [.. _conflicts];
            _conflicts.Clear();
            return taken;
        }
    }

    internal bool Map(MmioClaim claim, bool noteConflict)
    {
        lock (_change)
        {
            if (claim.Last < claim.First)
            {
                return false;
            }

            MmioClaim[] others = [.. _table.Where(claim.Overlaps)];
            if (noteConflict)
            {
                _conflicts.AddRange(others.Select(o => new ResourceConflict("memory", o.Describe("address"), claim.Describe("address"))));
            }

            if (others.Length == 0)
            {
                MmioClaim[] table = [.. _table, claim];
                Array.Sort(table, (a, b) => a.First.CompareTo(b.First));
                _table = table;
                claim.Mapped = true;
            }

            return others.Length == 0;
        }
    }

    internal void Unmap(MmioClaim claim)
    {
        lock (_change)
        {
            if (claim.Mapped)
            {
                _table = [.. _table.Where(c => c != claim)];
                claim.Mapped = false;
            }
        }
    }

    private MmioClaim? Find(ulong address)
    {
        MmioClaim[] table = _table;
        int low = 0, high = table.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            MmioClaim claim = table[middle];
            if (address < claim.First)
            {
                high = middle - 1;
            }
            else if (address - claim.First >= claim.Length)
            {
                low = middle + 1;
            }
            else
            {
                return claim;
            }
        }

        return null;
    }

    private void NoResponse(string access, ulong address, int width)
    {
        Interlocked.Increment(ref _unanswered);
        if (_log.Admit())
        {
            _log.Write(DeviceLogLevel.Debug, $"No device answers a {width}-byte {access} of address 0x{address:x}.");
        }
    }
}
