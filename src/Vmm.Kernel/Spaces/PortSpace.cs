namespace Vmm.Kernel;

/// <summary>
/// The 65,536 I/O ports. Look-up is one array access without a lock; a change writes the entries of its own range only,
/// each of them atomically.
/// </summary>
public sealed class PortSpace
{
    private readonly PortClaim?[] _table = new PortClaim?[0x10000];
    private readonly Lock _change = new();
    private readonly List<ResourceConflict> _conflicts = [];
    private readonly ClaimList _claims = new();
    private readonly RateLimitedLog _log;
    private long _unanswered;

    internal PortSpace(IHostLog log, string vm, TimeProvider time) => _log = new RateLimitedLog(log, vm, time);

    /// <summary>Accesses that no device answered.</summary>
    public long Unanswered => Volatile.Read(ref _unanswered);

    /// <summary>Carries out a read.</summary>
    /// <param name="port">First port.</param>
    /// <param name="width">1, 2 or 4.</param>
    /// <returns>The value; all ones where nothing answers.</returns>
    public uint Read(ushort port, int width)
    {
        PortClaim? claim = _table[port];
        if (claim is not null && claim.Accepts(port, width))
        {
            return claim.Read(port, width);
        }

        if (width == 1 || port + width > 0x10000 || !IsSplit(claim, port, width))
        {
            NoResponse("read", port, width);
            return uint.MaxValue >> (32 - (8 * width));
        }

        int half = width / 2;
        return Read(port, half) | (Read((ushort)(port + half), half) << (8 * half));
    }

    /// <summary>Carries out a write.</summary>
    /// <param name="port">First port.</param>
    /// <param name="width">1, 2 or 4.</param>
    /// <param name="value">The value; bits above the width are ignored.</param>
    public void Write(ushort port, int width, uint value)
    {
        PortClaim? claim = _table[port];
        if (claim is not null && claim.Accepts(port, width))
        {
            claim.Write(port, width, value & (uint.MaxValue >> (32 - (8 * width))));
            return;
        }

        if (width == 1 || port + width > 0x10000 || !IsSplit(claim, port, width))
        {
            NoResponse("write", port, width);
            return;
        }

        int half = width / 2;
        Write(port, half, value);
        Write((ushort)(port + half), half, value >> (8 * half));
    }

    internal IRegionClaim Claim(DeviceInstance owner, string name, ushort port, int length, AccessWidths widths, IPortDevice handler, bool enabled = true)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port + length, 0x10000, nameof(length));
        if (widths == AccessWidths.None || (widths & ~AccessWidths.AnyPort) != 0)
        {
            throw new ArgumentException($"Port region '{name}': widths {widths} are not widths of ports.", nameof(widths));
        }

        var claim = new PortClaim(this, owner, name, port, length, widths, handler);
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

    internal bool Map(PortClaim claim, bool noteConflict)
    {
        lock (_change)
        {
            if (claim.Last > ushort.MaxValue)
            {
                return false;
            }

            PortClaim? previous = null;
            for (int port = (int)claim.First; port <= (int)claim.Last; port++)
            {
                if (_table[port] is { } other && other != previous)
                {
                    previous = other;
                    if (noteConflict)
                    {
                        _conflicts.Add(new ResourceConflict("ports", other.Describe("ports"), claim.Describe("ports")));
                    }
                }
            }

            if (previous is null)
            {
                Fill(claim, claim);
                claim.Mapped = true;
            }

            return previous is null;
        }
    }

    internal void Unmap(PortClaim claim)
    {
        lock (_change)
        {
            if (claim.Mapped)
            {
                Fill(claim, null);
                claim.Mapped = false;
            }
        }
    }

    private void Fill(PortClaim range, PortClaim? entry)
    {
        for (int port = (int)range.First; port <= (int)range.Last; port++)
        {
            Volatile.Write(ref _table[port], entry);
        }
    }

    /// <summary>A wide access is split when its first port implements something narrower, or another device answers further on.</summary>
    private bool IsSplit(PortClaim? claim, ushort port, int width)
    {
        if (claim is not null)
        {
            return ((int)claim.Widths & (width - 1)) != 0;
        }

        for (int i = 1; i < width; i++)
        {
            if (_table[port + i] is not null)
            {
                return true;
            }
        }

        return false;
    }

    private void NoResponse(string access, ushort port, int width)
    {
        Interlocked.Increment(ref _unanswered);
        if (_log.Admit())
        {
            _log.Write(DeviceLogLevel.Debug, $"No device answers a {width}-byte {access} of port 0x{port:x}.");
        }
    }
}
