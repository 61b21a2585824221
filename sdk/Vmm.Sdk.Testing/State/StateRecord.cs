using System.Globalization;

namespace Vmm.Sdk.Testing;

/// <summary>
/// One section of saved state in memory. Write with <see cref="Save"/>, read with <see cref="Restore"/>, change fields
/// in between to see what a device does with hostile state. Reading holds the rules of the host: a field of another
/// type is refused, and so is a required field that nobody read.
/// </summary>
/// <param name="version">The state version.</param>
public sealed class StateRecord(int version = 1) : IStateWriter, IStateReader
{
    private readonly SortedDictionary<int, Field> _fields = [];

    /// <inheritdoc/>
    public int Version { get; } = version;

    /// <summary>Numbers of the fields.</summary>
    public IReadOnlyCollection<int> Fields => [.. _fields.Keys];

    /// <summary>Saves something.</summary>
    /// <param name="stateful">What to save.</param>
    /// <param name="version">The state version.</param>
    public static StateRecord Save(IStateful stateful, int version = 1)
    {
        ArgumentNullException.ThrowIfNull(stateful);
        var record = new StateRecord(version);
        stateful.Save(record);
        return record;
    }

    /// <summary>Restores this state into something.</summary>
    /// <param name="stateful">What to restore; a device that was attached and reset.</param>
    /// <exception cref="StateException">The device refuses the state, or a required field was not read.</exception>
    public void Restore(IStateful stateful)
    {
        ArgumentNullException.ThrowIfNull(stateful);
        MarkUnread();
        stateful.Restore(this);
        ThrowIfUnread();
    }

    /// <inheritdoc/>
    public void UInt8(int field, byte value, bool optional = false) => Add(field, value, optional);

    /// <inheritdoc/>
    public void UInt16(int field, ushort value, bool optional = false) => Add(field, value, optional);

    /// <inheritdoc/>
    public void UInt32(int field, uint value, bool optional = false) => Add(field, value, optional);

    /// <inheritdoc/>
    public void UInt64(int field, ulong value, bool optional = false) => Add(field, value, optional);

    /// <inheritdoc/>
    public void Bytes(int field, ReadOnlySpan<byte> value, bool optional = false) => Add(field, value.ToArray(), optional);

    /// <inheritdoc/>
    public void Section(int field, Action<IStateWriter> write, bool optional = false)
    {
        ArgumentNullException.ThrowIfNull(write);
        var section = new StateRecord(Version);
        write(section);
        Add(field, section, optional);
    }

    byte IStateReader.UInt8(int field, byte fallback) => Get(field, fallback);

    ushort IStateReader.UInt16(int field, ushort fallback) => Get(field, fallback);

    uint IStateReader.UInt32(int field, uint fallback) => Get(field, fallback);

    ulong IStateReader.UInt64(int field, ulong fallback) => Get(field, fallback);

    bool IStateReader.Bytes(int field, Span<byte> destination)
    {
        if (Get<byte[]?>(field, null) is not { } bytes)
        {
            return false;
        }

        if (bytes.Length != destination.Length)
        {
            throw new StateException($"Field {field} has {bytes.Length} bytes where {destination.Length} are expected.");
        }

        bytes.CopyTo(destination);
        return true;
    }

    bool IStateReader.Section(int field, Action<IStateReader> read)
    {
        ArgumentNullException.ThrowIfNull(read);
        if (Get<StateRecord?>(field, null) is not { } section)
        {
            return false;
        }

        read(section);
        return true;
    }

    /// <summary>Replaces a field's value, with the type it has.</summary>
    /// <param name="field">Number of a field that is there.</param>
    /// <param name="value">The new value; cut to the width of the field.</param>
    public void Replace(int field, ulong value)
    {
        var old = _fields[field];
        object replacement = old.Value switch
        {
            byte => (byte)value,
            ushort => (ushort)value,
            uint => (uint)value,
            ulong => value,
            byte[] bytes => Enumerable.Repeat((byte)value, bytes.Length).ToArray(),
            _ => throw new ArgumentException($"Field {field} is a section.", nameof(field)),
        };
        _fields[field] = old with { Value = replacement };
    }

    /// <summary>Removes a field, as if an older version had written the state.</summary>
    /// <param name="field">The number.</param>
    public void Remove(int field) => _fields.Remove(field);

    /// <summary>A nested section, to look into or change.</summary>
    /// <param name="field">Number of a field that is a section.</param>
    public StateRecord SectionAt(int field) => (StateRecord)_fields[field].Value;

    /// <summary>Every field as text, one a line: equal text means equal state.</summary>
    public override string ToString() => string.Join('\n', Describe(""));

    internal IEnumerable<string> Describe(string path) => _fields.SelectMany(pair => pair.Value.Value switch
    {
        StateRecord section => section.Describe($"{path}{pair.Key}."),
        byte[] bytes => [$"{path}{pair.Key} = {Convert.ToHexString(bytes)}"],
        var number => (IEnumerable<string>)[$"{path}{pair.Key} = 0x{((IFormattable)number).ToString("x", CultureInfo.InvariantCulture)}"],
    });

    private void Add(int field, object value, bool optional)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(field, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(field, 65_535);
        if (!_fields.TryAdd(field, new Field(value, optional)))
        {
            throw new InvalidOperationException($"Field {field} is written twice.");
        }
    }

    private T Get<T>(int field, T fallback)
    {
        if (!_fields.TryGetValue(field, out var found))
        {
            return fallback;
        }

        _fields[field] = found with { WasRead = true };
        return found.Value is T value ? value : throw new StateException($"Field {field} has another type than expected.");
    }

    private void MarkUnread()
    {
        foreach (var (number, field) in _fields.ToArray())
        {
            _fields[number] = field with { WasRead = false };
            (field.Value as StateRecord)?.MarkUnread();
        }
    }

    private void ThrowIfUnread()
    {
        foreach (var (number, field) in _fields)
        {
            if (!field.WasRead && !field.Optional)
            {
                throw new StateException($"Field {number} is required and was not read.");
            }

            (field.Value as StateRecord)?.ThrowIfUnread();
        }
    }

    private sealed record Field(object Value, bool Optional, bool WasRead = false);
}
