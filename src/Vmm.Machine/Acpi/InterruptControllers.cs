using System.Buffers.Binary;

namespace Vmm.Machine.Acpi;

/// <summary>MADT (ACPI 6.5 5.2.12).</summary>
internal static class InterruptControllers
{
    private const uint LocalApicAddress = 0xFEE0_0000;
    private const uint HasPicPair = 1;
    private const uint Enabled = 1;
    private const int LastXApicId = 254;
    private const byte AllProcessors = 0xFF;
    private const byte NmiPin = 1;

    /// <summary>Active high, level-triggered (table 5.26).</summary>
    private const ushort LevelHigh = 0x000D;

    /// <summary>As the bus: for ISA, edge-triggered and active high.</summary>
    private const ushort AsBus = 0;

    public static byte[] Build(AcpiPlatform platform)
    {
        List<byte> table = [.. Double(LocalApicAddress), .. Double(platform.HasPic ? HasPicPair : 0)];
        for (int id = 0; id < platform.ProcessorCount; id++)
        {
            table.AddRange(id <= LastXApicId
                ? [0, 8, (byte)id, (byte)id, .. Double(Enabled)]
                : [9, 16, 0, 0, .. Double((uint)id), .. Double(Enabled), .. Double((uint)id)]);
        }

        if (platform.IoApic is { } ioApic)
        {
            // Its id is one that no processor has, as the 4-bit field allows.
            table.AddRange([1, 12, (byte)Math.Min(platform.ProcessorCount, 15), 0, .. Double((uint)ioApic), .. Double(0)]);

            // The timer of the PC goes to input 2; the SCI and the PCI lines are level-triggered.
            table.AddRange(Override(0, 2, AsBus));
            IEnumerable<int> level = platform.Power is { } power ? [power.Interrupt] : [];
            foreach (int line in level.Concat(PciLines(platform.Pci)).Distinct().Order())
            {
                table.AddRange(Override((byte)line, (uint)line, LevelHigh));
            }
        }

        table.AddRange([4, 6, AllProcessors, 0, 0, NmiPin]);
        return [.. table];
    }

    private static IEnumerable<int> PciLines(AcpiPciRoot? root) =>
        root is null ? [] : from device in Enumerable.Range(0, 32) from pin in Enumerable.Range(0, 4) select root.Line(device, pin);

    /// <summary>Interrupt source override, type 2: ISA line to I/O-APIC input.</summary>
    private static byte[] Override(byte line, uint input, ushort flags) => [2, 10, 0, line, .. Double(input), (byte)flags, (byte)(flags >> 8)];

    private static byte[] Double(uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return bytes;
    }
}
