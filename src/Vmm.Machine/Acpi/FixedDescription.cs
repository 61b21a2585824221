using System.Buffers.Binary;

namespace Vmm.Machine.Acpi;

/// <summary>FADT (ACPI 6.5 5.2.9).</summary>
internal static class FixedDescription
{
    private const int HeaderBytes = 36;
    private const int TableBytes = 276;

    // IA-PC boot architecture flags, table 5.10.
    private const ushort LegacyDevices = 1 << 0;
    private const ushort KeyboardController = 1 << 1;
    private const ushort NoVideo = 1 << 2;
    private const ushort NoRealTimeClock = 1 << 5;

    // Feature flags, table 5.9.
    private const uint CachesFlush = 1u << 0;
    private const uint HaltsInC1 = 1u << 2;
    private const uint NoPowerButton = 1u << 4;
    private const uint NoSleepButton = 1u << 5;
    private const uint NoFixedRtcWake = 1u << 6;
    private const uint Timer32Bit = 1u << 8;
    private const uint HasResetRegister = 1u << 10;
    private const uint HardwareReduced = 1u << 20;

    private const byte PortSpace = 1;

    /// <summary>FIRMWARE_CTRL, DSDT and X_DSDT.</summary>
    public static IReadOnlyList<(int Offset, int Bytes)> Pointers { get; } = [(36, 4), (40, 4), (140, 8)];

    public static byte[] Build(AcpiPlatform platform, ulong facs, ulong dsdt)
    {
        byte[] table = new byte[TableBytes - HeaderBytes];
        Double(table, 36, (uint)facs);
        Double(table, 40, (uint)dsdt);
        Quad(table, 140, dsdt);
        Word(table, 96, 0xFFF); // C2 and C3 latencies that say: not supported
        Word(table, 98, 0xFFF);
        At(table, 131)[0] = 5; // minor version: 6.5
        Word(table, 109, BootArchitecture(platform));
        uint flags = CachesFlush | HaltsInC1 | NoPowerButton | NoSleepButton | NoFixedRtcWake;
        flags |= platform.Power is { } power ? WritePower(table, power) : HardwareReduced;
        flags |= platform.Reset is { } reset ? WriteReset(table, reset) : 0;
        Double(table, 112, flags);
        if (platform.RealTimeClock is not null)
        {
            At(table, 108)[0] = 0x32; // CMOS index of the century
        }

        return table;
    }

    private static ushort BootArchitecture(AcpiPlatform platform)
    {
        ushort flags = NoVideo;
        flags |= platform.SerialPorts.Count != 0 || platform.KeyboardController is not null ? LegacyDevices : (ushort)0;
        flags |= platform.KeyboardController is not null ? KeyboardController : (ushort)0;
        flags |= platform.RealTimeClock is null ? NoRealTimeClock : (ushort)0;
        return flags;
    }

    private static uint WritePower(byte[] table, AcpiPowerManagement power)
    {
        const int eventBytes = 4;
        const int controlBytes = 2;
        const int timerBytes = 4;
        Word(table, 46, power.Interrupt);
        Double(table, 56, power.EventPort);
        Double(table, 64, power.ControlPort);
        Double(table, 76, power.TimerPort);
        At(table, 88)[0] = eventBytes;
        At(table, 89)[0] = controlBytes;
        At(table, 91)[0] = timerBytes;
        Address(table, 148, eventBytes * 8, 2, power.EventPort);
        Address(table, 172, controlBytes * 8, 2, power.ControlPort);
        Address(table, 208, timerBytes * 8, 3, power.TimerPort);
        return Timer32Bit;
    }

    private static uint WriteReset(byte[] table, AcpiReset reset)
    {
        Address(table, 116, 8, 1, reset.Port);
        At(table, 128)[0] = reset.Value;
        return HasResetRegister;
    }

    /// <summary>A generic address structure in port space (ACPI 6.5 5.2.3.2); access sizes 1, 2, 3 are byte, word, double word.</summary>
    private static void Address(byte[] table, int offset, byte bits, byte accessSize, ushort port)
    {
        Span<byte> address = At(table, offset);
        address[0] = PortSpace;
        address[1] = bits;
        address[3] = accessSize;
        BinaryPrimitives.WriteUInt64LittleEndian(address[4..], port);
    }

    /// <summary>Offsets are those of the specification, counted from the header.</summary>
    private static Span<byte> At(byte[] table, int offset) => table.AsSpan(offset - HeaderBytes);

    private static void Word(byte[] table, int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(At(table, offset), value);

    private static void Double(byte[] table, int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(At(table, offset), value);

    private static void Quad(byte[] table, int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(At(table, offset), value);
}
