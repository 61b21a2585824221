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
internal enum StateFieldKind : byte
{
    UInt8 = 1,
    UInt16 = 2,
    UInt32 = 3,
    UInt64 = 4,
    Bytes = 5,
    Section = 6,
}
