using System.Buffers.Binary;

namespace Vmm.Kernel;

/// <summary>
/// Reads one section of state. The bytes are hostile input: everything is checked before it is used, and nothing is
/// allocated on their word.
/// </summary>
public sealed class StateReader : IStateReader
{
    private readonly Dictionary<int, Field> _fields = [];
    private readonly HashSet<int> _read = [];
    private readonly string _owner;
    private readonly int _depth;

    /// <summary>Opens a section.</summary>
    /// <param name="section">The bytes that a <see cref="StateWriter"/> gave.</param>
    /// <param name="version">The state version that the writer declared.</param>
    /// <param name="owner">Whose state it is, for messages.</param>
    /// <exception cref="StateException">The bytes are no section.</exception>
    public StateReader(ReadOnlyMemory<byte> section, int version, string owner)
        : this(section, version, owner, 0)
    {
    }

    private StateReader(ReadOnlyMemory<byte> section, int version, string owner, int depth)
    {
        Version = version;
        _owner = owner;
        _depth = depth;
        if (depth > StateFormat.MaximumDepth)
        {
            throw Refused($"sections are nested more than {StateFormat.MaximumDepth} deep");
        }

        Parse(section);
    }

    /// <inheritdoc/>
    public int Version { get; }

    /// <summary>Every field, in the order in which they were written.</summary>
    public IEnumerable<StateField> Fields => _fields.Select(pair => new StateField(pair.Key, pair.Value.Kind, pair.Value.Value));

    /// <inheritdoc/>
    public byte UInt8(int field, byte fallback = 0) => Find(field, StateFieldKind.UInt8) is { } value ? value.Span[0] : fallback;

    /// <inheritdoc/>
    public ushort UInt16(int field, ushort fallback = 0) =>
        Find(field, StateFieldKind.UInt16) is { } value ? BinaryPrimitives.ReadUInt16LittleEndian(value.Span) : fallback;

    /// <inheritdoc/>
    public uint UInt32(int field, uint fallback = 0) =>
        Find(field, StateFieldKind.UInt32) is { } value ? BinaryPrimitives.ReadUInt32LittleEndian(value.Span) : fallback;

    /// <inheritdoc/>
    public ulong UInt64(int field, ulong fallback = 0) =>
        Find(field, StateFieldKind.UInt64) is { } value ? BinaryPrimitives.ReadUInt64LittleEndian(value.Span) : fallback;

    /// <inheritdoc/>
    public bool Bytes(int field, Span<byte> destination)
    {
        if (Find(field, StateFieldKind.Bytes) is not { } value)
        {
            return false;
        }

        if (value.Length != destination.Length)
        {
            throw Refused($"field {field} has {value.Length} bytes, not {destination.Length}");
        }

        value.Span.CopyTo(destination);
        return true;
    }

    /// <summary>Reads bytes of any length.</summary>
    /// <param name="field">Field number.</param>
    /// <param name="maximum">Greatest length that is not refused.</param>
    /// <returns>The bytes; empty when the field is absent.</returns>
    /// <exception cref="StateException">The field has another type or is too long.</exception>
    public ReadOnlyMemory<byte> Bytes(int field, int maximum)
    {
        ReadOnlyMemory<byte> value = Find(field, StateFieldKind.Bytes) ?? default;
        return value.Length <= maximum ? value : throw Refused($"field {field} has {value.Length} bytes, more than {maximum}");
    }

    /// <summary>Opens a nested section; the caller calls <see cref="RequireAllRead"/> on it.</summary>
    /// <param name="field">Field number.</param>
    /// <returns>The section, or null when the field is absent.</returns>
    public StateReader? Section(int field) =>
        Find(field, StateFieldKind.Section) is { } value ? new StateReader(value, Version, _owner, _depth + 1) : null;

    /// <inheritdoc/>
    public bool Section(int field, Action<IStateReader> read)
    {
        if (Section(field) is not { } section)
        {
            return false;
        }

        read(section);
        section.RequireAllRead();
        return true;
    }

    /// <summary>Refuses the section when a field that may not be skipped was not asked for. Call after restoring.</summary>
    /// <exception cref="StateException">There is such a field.</exception>
    public void RequireAllRead()
    {
        int[] unknown = [.. _fields.Where(f => !f.Value.Optional && !_read.Contains(f.Key)).Select(f => f.Key).Order()];
        if (unknown.Length > 0)
        {
            throw Refused($"this version does not know the required field(s) {string.Join(", ", unknown)} of state version {Version}");
        }
    }

    private ReadOnlyMemory<byte>? Find(int field, StateFieldKind kind)
    {
        _read.Add(field);
        if (!_fields.TryGetValue(field, out Field found))
        {
            return null;
        }

        return found.Kind == kind ? found.Value : throw Refused($"field {field} is {found.Kind}, not {kind}");
    }

    private void Parse(ReadOnlyMemory<byte> section)
    {
        while (!section.IsEmpty)
        {
            ReadOnlySpan<byte> header = Take(ref section, StateFormat.HeaderLength).Span;
            int number = BinaryPrimitives.ReadUInt16LittleEndian(header);
            var kind = (StateFieldKind)(header[2] & ~StateFormat.OptionalBit);
            uint length = kind switch
            {
                StateFieldKind.UInt8 => sizeof(byte),
                StateFieldKind.UInt16 => sizeof(ushort),
                StateFieldKind.UInt32 => sizeof(uint),
                StateFieldKind.UInt64 => sizeof(ulong),
                StateFieldKind.Bytes or StateFieldKind.Section => BinaryPrimitives.ReadUInt32LittleEndian(Take(ref section, sizeof(uint)).Span),
                _ => throw Refused($"field {number} has the unknown kind {(byte)kind}"),
            };
            var field = new Field(kind, (header[2] & StateFormat.OptionalBit) != 0, Take(ref section, length));
            if (number == 0 || !_fields.TryAdd(number, field))
            {
                throw Refused($"field {number} is there twice, or is no field number");
            }
        }
    }

    private ReadOnlyMemory<byte> Take(ref ReadOnlyMemory<byte> section, uint length)
    {
        if (length > (uint)section.Length)
        {
            throw Refused($"it is cut off: {length} bytes are wanted where {section.Length} are left");
        }

        ReadOnlyMemory<byte> taken = section[..(int)length];
        section = section[(int)length..];
        return taken;
    }

    private StateException Refused(string problem) => new($"The saved state of {_owner} cannot be used: {problem}.");

    private readonly record struct Field(StateFieldKind Kind, bool Optional, ReadOnlyMemory<byte> Value);
}
