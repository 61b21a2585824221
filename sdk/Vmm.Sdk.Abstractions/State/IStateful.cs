namespace Vmm.Sdk;

/// <summary>
/// Something whose state can be saved and restored: a device, and by the same rules an exit handler or a storage backend.
/// Save the modelled device, not the implementation. Both calls come while the VM is paused, a device's under its gate.
/// </summary>
public interface IStateful
{
    /// <summary>Writes the state. Must not change the device and must not fail because of what the guest is doing.</summary>
    /// <param name="state">Takes numbered fields.</param>
    void Save(IStateWriter state);

    /// <summary>Reads the state into a device that was attached and reset. The stream is hostile input: check ranges.</summary>
    /// <param name="state">Gives numbered fields.</param>
    /// <exception cref="StateException">A value is impossible; the restore is refused as a whole.</exception>
    void Restore(IStateReader state);
}

/// <summary>Whether a contribution can be saved.</summary>
public enum StateSupport
{
    /// <summary>It implements <see cref="IStateful"/>.</summary>
    Saved,

    /// <summary>It has no state worth saving.</summary>
    None,

    /// <summary>It has state that cannot be saved; a VM with it refuses to be saved.</summary>
    Unsupported,
}

/// <summary>
/// Writes one section of state as numbered fields of primitives. A number is used once a section and never again for
/// another meaning. A reader refuses a field it does not know unless it was written as optional.
/// </summary>
public interface IStateWriter
{
    /// <summary>Writes 8 bits.</summary>
    /// <param name="field">Field number, 1 to 65,535.</param>
    /// <param name="value">The value.</param>
    /// <param name="optional">Whether a reader that does not know the field may skip it.</param>
    void UInt8(int field, byte value, bool optional = false);

    /// <summary>Writes 16 bits.</summary>
    /// <inheritdoc cref="UInt8"/>
    void UInt16(int field, ushort value, bool optional = false);

    /// <summary>Writes 32 bits.</summary>
    /// <inheritdoc cref="UInt8"/>
    void UInt32(int field, uint value, bool optional = false);

    /// <summary>Writes 64 bits.</summary>
    /// <inheritdoc cref="UInt8"/>
    void UInt64(int field, ulong value, bool optional = false);

    /// <summary>Writes bytes.</summary>
    /// <param name="field">Field number, 1 to 65,535.</param>
    /// <param name="value">The bytes, at most 16 MiB.</param>
    /// <param name="optional">Whether a reader that does not know the field may skip it.</param>
    void Bytes(int field, ReadOnlySpan<byte> value, bool optional = false);

    /// <summary>Writes a nested section with numbers of its own.</summary>
    /// <param name="field">Field number, 1 to 65,535.</param>
    /// <param name="write">Writes the section.</param>
    /// <param name="optional">Whether a reader that does not know the field may skip it.</param>
    void Section(int field, Action<IStateWriter> write, bool optional = false);
}

/// <summary>Reads one section of state. A field that is absent gives the fallback.</summary>
public interface IStateReader
{
    /// <summary>The state version that the writer declared; see <see cref="StatefulContributionAttribute.StateVersion"/>.</summary>
    int Version { get; }

    /// <summary>Reads 8 bits.</summary>
    /// <param name="field">Field number.</param>
    /// <param name="fallback">The value when the field is absent.</param>
    /// <exception cref="StateException">The field is there with another type.</exception>
    byte UInt8(int field, byte fallback = 0);

    /// <summary>Reads 16 bits.</summary>
    /// <inheritdoc cref="UInt8"/>
    ushort UInt16(int field, ushort fallback = 0);

    /// <summary>Reads 32 bits.</summary>
    /// <inheritdoc cref="UInt8"/>
    uint UInt32(int field, uint fallback = 0);

    /// <summary>Reads 64 bits.</summary>
    /// <inheritdoc cref="UInt8"/>
    ulong UInt64(int field, ulong fallback = 0);

    /// <summary>Reads bytes.</summary>
    /// <param name="field">Field number.</param>
    /// <param name="destination">Where to; a field of another length is refused.</param>
    /// <returns>False, with <paramref name="destination"/> untouched, when the field is absent.</returns>
    /// <exception cref="StateException">The field has another type or length.</exception>
    bool Bytes(int field, Span<byte> destination);

    /// <summary>Reads a nested section.</summary>
    /// <param name="field">Field number.</param>
    /// <param name="read">Reads the section; not called when the field is absent.</param>
    /// <returns>False when the field is absent.</returns>
    bool Section(int field, Action<IStateReader> read);
}

/// <summary>Saved state that cannot be used.</summary>
/// <param name="message">What is wrong.</param>
public sealed class StateException(string message) : Exception(message);
