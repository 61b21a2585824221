namespace Vmm.Sdk.Testing;

/// <summary>The I/O ports of the fake board.</summary>
public sealed class FakePortSpace : FakeRegionTable<IPortDevice>, IPortSpace
{
    /// <inheritdoc/>
    protected override bool AllowsMisaligned => true;

    /// <inheritdoc/>
    public IRegionClaim Claim(string name, ushort port, int length, AccessWidths widths, IPortDevice handler) =>
        Add(name, port, (ulong)Math.Max(length, 0), 0x10000, widths, handler);

    /// <summary>IN with AL.</summary>
    /// <param name="port">The port.</param>
    public byte In8(ushort port) => (byte)Access(port, AccessWidth.Byte);

    /// <summary>IN with AX.</summary>
    /// <param name="port">The port.</param>
    public ushort In16(ushort port) => (ushort)Access(port, AccessWidth.Word);

    /// <summary>IN with EAX.</summary>
    /// <param name="port">The port.</param>
    public uint In32(ushort port) => (uint)Access(port, AccessWidth.DoubleWord);

    /// <summary>OUT with AL.</summary>
    /// <param name="port">The port.</param>
    /// <param name="value">The value.</param>
    public void Out8(ushort port, byte value) => Access(port, AccessWidth.Byte, value);

    /// <summary>OUT with AX.</summary>
    /// <param name="port">The port.</param>
    /// <param name="value">The value.</param>
    public void Out16(ushort port, ushort value) => Access(port, AccessWidth.Word, value);

    /// <summary>OUT with EAX.</summary>
    /// <param name="port">The port.</param>
    /// <param name="value">The value.</param>
    public void Out32(ushort port, uint value) => Access(port, AccessWidth.DoubleWord, value);

    /// <inheritdoc/>
    protected override ulong Read(FakeRegion<IPortDevice> region, ulong offset, AccessWidth width) =>
        region.Handler.Read((uint)offset, width);

    /// <inheritdoc/>
    protected override void Write(FakeRegion<IPortDevice> region, ulong offset, AccessWidth width, ulong value) =>
        region.Handler.Write((uint)offset, width, value);
}
