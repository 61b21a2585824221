namespace Vmm.Sdk.Testing;

/// <summary>A region that a device claimed on the fake board.</summary>
/// <typeparam name="THandler"><see cref="IPortDevice"/> or <see cref="IMmioDevice"/>.</typeparam>
public sealed class FakeRegion<THandler> : IRegionClaim
{
    private readonly FakeRegionTable<THandler> _table;

    internal FakeRegion(FakeRegionTable<THandler> table, string name, ulong address, ulong length, AccessWidths widths, THandler handler)
    {
        _table = table;
        Name = name;
        Address = address;
        Length = length;
        Widths = widths;
        Handler = handler;
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>First port or guest-physical address.</summary>
    public ulong Address { get; internal set; }

    /// <summary>Length in bytes.</summary>
    public ulong Length { get; }

    /// <summary>Widths that the handler implements.</summary>
    public AccessWidths Widths { get; }

    /// <summary>The registers.</summary>
    public THandler Handler { get; }

    /// <summary>False after a move that overlapped another claim.</summary>
    public bool Mapped { get; internal set; } = true;

    /// <inheritdoc/>
    public bool Enabled { get; set; } = true;

    /// <inheritdoc/>
    public bool Move(ulong address) => _table.Move(this, address);

    /// <inheritdoc/>
    public void Dispose() => _table.Remove(this);

    internal bool Contains(ulong address, int width) =>
        Mapped && Enabled && address >= Address && address - Address <= Length - 1 && Length - (address - Address) >= (ulong)width;

    internal bool Overlaps(ulong address, ulong length) => Mapped && address < Address + Length && Address < address + length;
}
