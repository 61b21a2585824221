namespace Vmm.Plugins.Uart16550;

/// <summary>Register offsets with DLAB clear (PC16550D data sheet, table II).</summary>
internal static class Register
{
    public const uint Data = 0;
    public const uint InterruptEnable = 1;
    public const uint InterruptIdentification = 2;
    public const uint LineControl = 3;
    public const uint ModemControl = 4;
    public const uint LineStatus = 5;
    public const uint ModemStatus = 6;
    public const uint Scratch = 7;
}

[Flags]
internal enum InterruptEnables : byte
{
    ReceivedData = 0x01,
    TransmitterEmpty = 0x02,
    LineStatus = 0x04,
    ModemStatus = 0x08,
    All = 0x0f,
}

/// <summary>Low bits of the interrupt identification register, highest priority first (data sheet, table IV).</summary>
internal enum InterruptIdentification : byte
{
    LineStatus = 0x06,
    ReceivedData = 0x04,
    CharacterTimeout = 0x0c,
    TransmitterEmpty = 0x02,
    ModemStatus = 0x00,
    None = 0x01,
}

[Flags]
internal enum LineControls : byte
{
    WordLength = 0x03,
    StopBits = 0x04,
    Parity = 0x08,
    DivisorLatch = 0x80,
}

[Flags]
internal enum ModemControls : byte
{
    DataTerminalReady = 0x01,
    RequestToSend = 0x02,
    Out1 = 0x04,
    Out2 = 0x08,
    Loopback = 0x10,
    All = 0x1f,
}

[Flags]
internal enum LineStatuses : byte
{
    None = 0,
    DataReady = 0x01,
    Overrun = 0x02,
    TransmitterHoldingEmpty = 0x20,
    TransmitterEmpty = 0x40,
}

[Flags]
internal enum ModemStatuses : byte
{
    None = 0,
    DeltaClearToSend = 0x01,
    DeltaDataSetReady = 0x02,
    TrailingRing = 0x04,
    DeltaCarrierDetect = 0x08,
    Deltas = 0x0f,
    ClearToSend = 0x10,
    DataSetReady = 0x20,
    Ring = 0x40,
    CarrierDetect = 0x80,
}
