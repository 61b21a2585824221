using System.Buffers;
using System.Buffers.Binary;

namespace Vmm.Kernel;

/// <summary>Writes one section of state.</summary>
public sealed class StateWriter : IStateWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new();
    private readonly HashSet<int> _fields = [];
    private readonly int _depth;

    /// <summary>Makes an empty section.</summary>
    public StateWriter()
        : this(0)
    {
    }

    private StateWriter(int depth) => _depth = depth;

    /// <summary>The section as bytes.</summary>
    public byte[] ToArray() => _buffer.WrittenSpan.ToArray();

    /// <inheritdoc/>
    public void UInt8(int field, byte value, bool optional = false) => Begin(field, StateFieldKind.UInt8, optional, sizeof(byte))[0] = value;

    /// <inheritdoc/>
    public void UInt16(int field, ushort value, bool optional = false) =>
        BinaryPrimitives.WriteUInt16LittleEndian(Begin(field, StateFieldKind.UInt16, optional, sizeof(ushort)), value);

    /// <inheritdoc/>
    public void UInt32(int field, uint value, bool optional = false) =>
        BinaryPrimitives.WriteUInt32LittleEndian(Begin(field, StateFieldKind.UInt32, optional, sizeof(uint)), value);

    /// <inheritdoc/>
    public void UInt64(int field, ulong value, bool optional = false) =>
        BinaryPrimitives.WriteUInt64LittleEndian(Begin(field, StateFieldKind.UInt64, optional, sizeof(ulong)), value);

    /// <inheritdoc/>
    public void Bytes(int field, ReadOnlySpan<byte> value, bool optional = false) => Counted(field, StateFieldKind.Bytes, optional, value);

    /// <inheritdoc/>
    public void Section(int field, Action<IStateWriter> write, bool optional = false)
    {
        if (_depth == StateFormat.MaximumDepth)
        {
            throw new StateException($"State field {field}: sections are nested more than {StateFormat.MaximumDepth} deep.");
        }

        var section = new StateWriter(_depth + 1);
        write(section);
        Counted(field, StateFieldKind.Section, optional, section._buffer.WrittenSpan);
    }

    private void Counted(int field, StateFieldKind kind, bool optional, ReadOnlySpan<byte> value)
    {
        if (kind == StateFieldKind.Bytes && value.Length > StateFormat.MaximumBytes)
        {
            throw new StateException($"State field {field}: {value.Length} bytes are more than 16 MiB.");
        }

        Span<byte> destination = Begin(field, kind, optional, sizeof(uint) + value.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(destination, (uint)value.Length);
        value.CopyTo(destination[sizeof(uint)..]);
    }

    private Span<byte> Begin(int field, StateFieldKind kind, bool optional, int length)
    {
        if (field is < 1 or > ushort.MaxValue)
        {
            throw new StateException($"State field {field}: numbers go from 1 to 65535.");
        }

        if (!_fields.Add(field))
        {
            throw new StateException($"State field {field} is written twice.");
        }

        Span<byte> span = _buffer.GetSpan(StateFormat.HeaderLength + length)[..(StateFormat.HeaderLength + length)];
        _buffer.Advance(span.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(span, (ushort)field);
        span[2] = (byte)((byte)kind | (optional ? StateFormat.OptionalBit : 0));
        return span[StateFormat.HeaderLength..];
    }
}
