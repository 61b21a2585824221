namespace Vmm.Plugins.FwCfg;

/// <summary>The selected item and how far it has been read. Behind its end there are zeros.</summary>
internal sealed class ItemReader(FwCfgItems items)
{
    private ReadOnlyMemory<byte> _content;

    /// <summary>Key of the item.</summary>
    public ushort Key { get; private set; }

    /// <summary>Offset of the next byte; beyond the end it stays there.</summary>
    public uint Position { get; set; }

    public void Select(ushort key)
    {
        Key = key;
        Position = 0;
        _content = items.Find(key);
    }

    public byte ReadByte()
    {
        byte value = Position < (uint)_content.Length ? _content.Span[(int)Position] : (byte)0;
        Skip(1);
        return value;
    }

    /// <summary>The bytes from here on, at most so many.</summary>
    public ReadOnlySpan<byte> Rest(uint length) =>
        _content.Span[(int)Math.Min(Position, (uint)_content.Length)..] is var rest && (uint)rest.Length > length ? rest[..(int)length] : rest;

    public void Skip(uint length) => Position = (uint)Math.Min((ulong)Position + length, uint.MaxValue);
}
