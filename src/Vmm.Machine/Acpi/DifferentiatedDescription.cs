namespace Vmm.Machine.Acpi;

/// <summary>The content of the DSDT: processors, the PCI root, the devices at fixed ports, and S5.</summary>
internal static class DifferentiatedDescription
{
    private const int PciDevices = 32;
    private const int PciPins = 4;
    private const ushort ConfigurationPorts = 0xCF8;

    public static byte[] Build(AcpiPlatform platform)
    {
        AmlBuilder aml = new();
        aml.Scope(@"\_SB", system =>
        {
            for (int id = 0; id < platform.ProcessorCount; id++)
            {
                ulong number = (ulong)id;
                system.Device($"C{id:X3}", processor => processor.NameText("_HID", "ACPI0007").Name("_UID", number));
            }

            if (platform.Pci is { } pci)
            {
                system.Device("PCI0", root => WritePciRoot(root, pci));
            }

            WriteIsaDevices(system, platform);
        });
        if (platform.Power is { } power)
        {
            // SLP_TYP for PM1a and PM1b control (ACPI 6.5 7.4.2).
            aml.NamePackage(@"\_S5", power.SleepType, power.SleepType, 0, 0);
        }

        return aml.ToArray();
    }

    private static void WritePciRoot(AmlBuilder root, AcpiPciRoot pci)
    {
        if (pci.ExtendedConfiguration is not null)
        {
            root.NameEisaId("_HID", "PNP0A08").NameEisaId("_CID", "PNP0A03");
        }
        else
        {
            root.NameEisaId("_HID", "PNP0A03");
        }

        root.Name("_UID", 0).Name("_BBN", 0).Name("_SEG", 0);
        root.NameResources("_CRS", new AmlResources()
            .Buses(0, pci.ExtendedConfiguration is null ? (byte)0xFF : (byte)0)
            .Ports(ConfigurationPorts, 8)
            .PortWindow(0, ConfigurationPorts - 1)
            .PortWindow(ConfigurationPorts + 8, 0xFFFF)
            .MemoryWindow((uint)pci.MemoryStart, (uint)pci.MemoryEnd)
            .HighMemoryWindow(pci.HighMemoryStart, pci.HighMemoryEnd));

        // Device number in the high word, all functions; pin; no link device; the line itself (ACPI 6.5 6.2.13).
        root.NamePackages("_PRT",
            [.. from device in Enumerable.Range(0, PciDevices)
                from pin in Enumerable.Range(0, PciPins)
                select (ulong[])[((ulong)device << 16) | 0xFFFF, (ulong)pin, 0, (ulong)pci.Line(device, pin)]]);
    }

    private static void WriteIsaDevices(AmlBuilder system, AcpiPlatform platform)
    {
        for (int i = 0; i < platform.SerialPorts.Count; i++)
        {
            AcpiIsaDevice serial = platform.SerialPorts[i];
            ulong number = (ulong)i;
            system.Device($"COM{i + 1}", device => device
                .NameEisaId("_HID", "PNP0501")
                .Name("_UID", number)
                .NameResources("_CRS", new AmlResources().Ports(serial.Port, 8).Interrupt(serial.Interrupt)));
        }

        if (platform.KeyboardController is { } keyboard)
        {
            const byte commandOffset = 4;
            system.Device("KBD", device => device
                .NameEisaId("_HID", "PNP0303")
                .NameResources("_CRS", new AmlResources().Ports(keyboard.Port, 1).Ports((ushort)(keyboard.Port + commandOffset), 1).Interrupt(keyboard.Interrupt)));
        }

        if (platform.RealTimeClock is { } clock)
        {
            system.Device("RTC", device => device
                .NameEisaId("_HID", "PNP0B00")
                .NameResources("_CRS", new AmlResources().Ports(clock.Port, 8).Interrupt(clock.Interrupt)));
        }
    }
}
