namespace Vmm.Plugins.IoApic;

/// <summary>One entry of the redirection table (82093AA data sheet, 3.2.4).</summary>
internal struct RedirectionEntry
{
    private const ulong RemoteIrrBit = 1 << 14;
    private const ulong LevelBit = 1 << 15;
    private const ulong MaskBit = 1 << 16;
    private const ulong LowWritable = 0x1_afff;
    private const ulong Writable = 0xff00_0000_0000_0000 | LowWritable;

    private const ulong MessageBase = 0xfee0_0000;
    private const uint MessageAssert = 1 << 14;
    private const uint MessageLevel = 1 << 15;

    /// <summary>The entry as the guest reads it.</summary>
    public ulong Value { get; private set; }

    public readonly byte Vector => (byte)Value;

    public readonly bool LevelTriggered => (Value & LevelBit) != 0;

    public readonly bool Masked => (Value & MaskBit) != 0;

    /// <summary>A level-triggered interrupt was sent and its end not yet reported.</summary>
    public bool RemoteIrr
    {
        readonly get => (Value & RemoteIrrBit) != 0;
        set => Value = value ? Value | RemoteIrrBit : Value & ~RemoteIrrBit;
    }

    /// <summary>
    /// Address of the message that delivers the interrupt (SDM Vol. 3A 11.11.1): destination and destination mode have
    /// the same meaning in both.
    /// </summary>
    public readonly ulong MessageAddress => MessageBase | ((Value >> 56) << 12) | ((Value >> 9) & 4);

    /// <summary>Data of the message (SDM Vol. 3A 11.11.2).</summary>
    public readonly uint MessageData => (uint)(Value & 0x7ff) | (LevelTriggered ? MessageLevel | MessageAssert : 0);

    /// <summary>The entry after reset: masked.</summary>
    public static RedirectionEntry AfterReset => new() { Value = MaskBit };

    public static RedirectionEntry FromState(ulong value) => new() { Value = value & (Writable | RemoteIrrBit) };

    public void WriteLow(uint value)
    {
        Value = (Value & ~LowWritable) | (value & LowWritable);
        if (!LevelTriggered)
        {
            // Guests without the EOI register end a stuck interrupt by switching to edge and back.
            RemoteIrr = false;
        }
    }

    public void WriteHigh(uint value) => Value = (uint)Value | ((ulong)(value & 0xff00_0000) << 32);
}
