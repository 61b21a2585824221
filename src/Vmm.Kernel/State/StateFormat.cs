namespace Vmm.Kernel;

/// <summary>
/// The form of a section: fields one after another, little-endian. A field is its number (16 bits), its kind (8 bits,
/// bit 7 set when a reader may skip it), for bytes and sections a length (32 bits), and the value.
/// </summary>
internal static class StateFormat
{
    /// <summary>Longest byte field.</summary>
    public const int MaximumBytes = 16 << 20;

    /// <summary>Deepest nesting of sections.</summary>
    public const int MaximumDepth = 16;

    /// <summary>Bit of the kind: an unknown field may be skipped.</summary>
    public const byte OptionalBit = 0x80;

    /// <summary>Bytes of number and kind.</summary>
    public const int HeaderLength = 3;
}

/// <summary>Kinds of fields.</summary>
public enum StateFieldKind : byte
{
    /// <summary>8 bits.</summary>
    UInt8 = 1,

    /// <summary>16 bits.</summary>
    UInt16 = 2,

    /// <summary>32 bits.</summary>
    UInt32 = 3,

    /// <summary>64 bits.</summary>
    UInt64 = 4,

    /// <summary>Bytes.</summary>
    Bytes = 5,

    /// <summary>A nested section with numbers of its own.</summary>
    Section = 6,
}

/// <summary>A field as it stands in a section, for whoever looks at state without knowing what it means.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Kind">Its kind.</param>
/// <param name="Value">Its value, little-endian.</param>
public readonly record struct StateField(int Number, StateFieldKind Kind, ReadOnlyMemory<byte> Value);
