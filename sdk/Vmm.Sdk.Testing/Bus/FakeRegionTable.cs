namespace Vmm.Sdk.Testing;

/// <summary>The claims of one address space. Where the host collects collisions for a report, the fake board throws at the first.</summary>
/// <typeparam name="THandler"><see cref="IPortDevice"/> or <see cref="IMmioDevice"/>.</typeparam>
public abstract class FakeRegionTable<THandler>
{
    private readonly List<FakeRegion<THandler>> _regions = [];

    /// <summary>Every claim that was not given back.</summary>
    public IReadOnlyList<FakeRegion<THandler>> Regions => _regions;

    internal FakeRegion<THandler> Add(string name, ulong address, ulong length, ulong spaceLength, AccessWidths widths, THandler handler)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(handler);
        if (length == 0 || address >= spaceLength || length > spaceLength - address)
        {
            throw new ArgumentOutOfRangeException(nameof(length), $"Region '{name}' at 0x{address:x}, length 0x{length:x}, does not lie inside the address space.");
        }

        if (widths == AccessWidths.None)
        {
            throw new ArgumentException($"Region '{name}' implements no access width.", nameof(widths));
        }

        if (_regions.Find(other => other.Overlaps(address, length)) is { } conflict)
        {
            throw new InvalidOperationException(
                $"Region '{name}' at 0x{address:x}, length 0x{length:x}, overlaps '{conflict.Name}' at 0x{conflict.Address:x}, length 0x{conflict.Length:x}.");
        }

        var region = new FakeRegion<THandler>(this, name, address, length, widths, handler);
        _regions.Add(region);
        return region;
    }

    internal bool Move(FakeRegion<THandler> region, ulong address)
    {
        region.Mapped = !_regions.Exists(other => other != region && other.Overlaps(address, region.Length));
        region.Address = address;
        return region.Mapped;
    }

    internal void Remove(FakeRegion<THandler> region) => _regions.Remove(region);

    /// <summary>Calls the device's handler.</summary>
    /// <param name="region">The region.</param>
    /// <param name="offset">Offset in it.</param>
    /// <param name="width">A width that the region implements.</param>
    protected abstract ulong Read(FakeRegion<THandler> region, ulong offset, AccessWidth width);

    /// <summary>Calls the device's handler.</summary>
    /// <param name="region">The region.</param>
    /// <param name="offset">Offset in it.</param>
    /// <param name="width">A width that the region implements.</param>
    /// <param name="value">The value, already cut to the width.</param>
    protected abstract void Write(FakeRegion<THandler> region, ulong offset, AccessWidth width, ulong value);

    /// <summary>Whether accesses at odd places reach a handler in one piece.</summary>
    protected abstract bool AllowsMisaligned { get; }

    /// <summary>Reads as the guest does, with the bus's rules on widths.</summary>
    /// <param name="address">Port or guest-physical address.</param>
    /// <param name="width">Width.</param>
    internal ulong Access(ulong address, AccessWidth width)
    {
        var mask = Mask(width);
        if (Find(address, width, out var narrower) is { } region)
        {
            return Read(region, address - region.Address, width) & mask;
        }

        if (!narrower)
        {
            return mask;
        }

        var half = (AccessWidth)((int)width / 2);
        return Access(address, half) | (Access(address + (ulong)half, half) << ((int)half * 8));
    }

    /// <summary>Writes as the guest does, with the bus's rules on widths.</summary>
    /// <param name="address">Port or guest-physical address.</param>
    /// <param name="width">Width.</param>
    /// <param name="value">The value; bits above the width are ignored.</param>
    internal void Access(ulong address, AccessWidth width, ulong value)
    {
        if (Find(address, width, out var narrower) is { } region)
        {
            Write(region, address - region.Address, width, value & Mask(width));
            return;
        }

        if (narrower)
        {
            var half = (AccessWidth)((int)width / 2);
            Access(address, half, value);
            Access(address + (ulong)half, half, value >> ((int)half * 8));
        }
    }

    private FakeRegion<THandler>? Find(ulong address, AccessWidth width, out bool narrower)
    {
        narrower = width > AccessWidth.Byte;
        var region = _regions.Find(candidate => candidate.Contains(address, (int)width));
        var aligned = AllowsMisaligned || address % (ulong)width == 0;
        return region is not null && aligned && ((int)region.Widths & (int)width) != 0 ? region : null;
    }

    private static ulong Mask(AccessWidth width) => ulong.MaxValue >> (64 - ((int)width * 8));
}
