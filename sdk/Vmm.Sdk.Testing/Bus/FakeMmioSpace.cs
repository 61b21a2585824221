namespace Vmm.Sdk.Testing;

/// <summary>The memory-mapped registers of the fake board.</summary>
public sealed class FakeMmioSpace : FakeRegionTable<IMmioDevice>, IMmioSpace
{
    /// <inheritdoc/>
    protected override bool AllowsMisaligned => false;

    /// <inheritdoc/>
    public IRegionClaim Claim(string name, ulong address, ulong length, AccessWidths widths, IMmioDevice handler) =>
        Add(name, address, length, 1ul << 52, widths, handler);

    /// <summary>Reads as the guest does.</summary>
    /// <param name="address">Guest-physical address.</param>
    /// <param name="width">Width.</param>
    public ulong Read(ulong address, AccessWidth width) => Access(address, width);

    /// <summary>Writes as the guest does.</summary>
    /// <param name="address">Guest-physical address.</param>
    /// <param name="width">Width.</param>
    /// <param name="value">The value.</param>
    public void Write(ulong address, AccessWidth width, ulong value) => Access(address, width, value);

    /// <summary>Reads 32 bits.</summary>
    /// <param name="address">Guest-physical address.</param>
    public uint Read32(ulong address) => (uint)Access(address, AccessWidth.DoubleWord);

    /// <summary>Writes 32 bits.</summary>
    /// <param name="address">Guest-physical address.</param>
    /// <param name="value">The value.</param>
    public void Write32(ulong address, uint value) => Access(address, AccessWidth.DoubleWord, value);

    /// <summary>Reads 64 bits.</summary>
    /// <param name="address">Guest-physical address.</param>
    public ulong Read64(ulong address) => Access(address, AccessWidth.QuadWord);

    /// <summary>Writes 64 bits.</summary>
    /// <param name="address">Guest-physical address.</param>
    /// <param name="value">The value.</param>
    public void Write64(ulong address, ulong value) => Access(address, AccessWidth.QuadWord, value);

    /// <inheritdoc/>
    protected override ulong Read(FakeRegion<IMmioDevice> region, ulong offset, AccessWidth width) =>
        region.Handler.Read(offset, width);

    /// <inheritdoc/>
    protected override void Write(FakeRegion<IMmioDevice> region, ulong offset, AccessWidth width, ulong value) =>
        region.Handler.Write(offset, width, value);
}
