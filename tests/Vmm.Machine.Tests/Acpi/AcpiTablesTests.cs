using System.Buffers.Binary;
using System.Text;
using Vmm.Machine.Acpi;
using Vmm.Machine.Pci;

namespace Vmm.Machine.Tests.Acpi;

public sealed class AcpiTablesTests
{
    private const ulong Base = 0xE_0000;

    private static readonly AcpiPlatform Pc = new()
    {
        ProcessorCount = 2,
        HasPic = true,
        IoApic = 0xFEC0_0000,
        Hpet = 0xFED0_0000,
        Power = new AcpiPowerManagement(0x600, 0x604, 0x608, 9, 5),
        Reset = new AcpiReset(0xCF9, 6),
        SerialPorts = [new AcpiIsaDevice(0x3F8, 4)],
        KeyboardController = new AcpiIsaDevice(0x60, 1),
        RealTimeClock = new AcpiIsaDevice(0x70, 8),
        Pci = new AcpiPciRoot(0xC000_0000, 0xFEBF_FFFF, 0x10_0000_0000, 0x1F_FFFF_FFFF, PciLayout.Line),
    };

    [Fact]
    public void The_root_pointer_has_both_checksums_and_leads_to_the_XSDT()
    {
        byte[] bytes = AcpiTables.Build(Pc, Base).Bytes.ToArray();

        Assert.Equal("RSD PTR ", Encoding.ASCII.GetString(bytes, 0, 8));
        Assert.Equal(0, Sum(bytes.AsSpan(0, 20)));
        Assert.Equal(0, Sum(bytes.AsSpan(0, 36)));
        Assert.Equal("XSDT", Signature(bytes, BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(24))));
    }

    [Fact]
    public void Every_table_has_a_right_length_and_checksum()
    {
        Dictionary<string, byte[]> tables = Parse(Pc);

        Assert.Equal(["APIC", "DSDT", "FACP", "HPET", "XSDT"], tables.Keys.Order());
        Assert.All(tables.Values, table => Assert.Equal(0, Sum(table)));
    }

    [Fact]
    public void Tables_for_absent_devices_are_absent()
    {
        Dictionary<string, byte[]> tables = Parse(new AcpiPlatform { ProcessorCount = 1 });

        Assert.Equal(["APIC", "DSDT", "FACP", "XSDT"], tables.Keys.Order());
        Assert.NotEqual(0u, Double(tables["FACP"], 112) & (1u << 20));
        Assert.DoesNotContain("_S5_", Encoding.ASCII.GetString(tables["DSDT"]), StringComparison.Ordinal);
    }

    [Fact]
    public void Memory_mapped_configuration_space_is_listed_where_there_is_one()
    {
        AcpiPlatform platform = Pc with { Pci = Pc.Pci! with { ExtendedConfiguration = 0xB000_0000 } };
        Assert.Equal(0xB000_0000u, Double(Parse(platform)["MCFG"], 44));
    }

    [Fact]
    public void The_FADT_describes_the_power_management_ports()
    {
        byte[] fadt = Parse(Pc)["FACP"];

        Assert.Equal(276, fadt.Length);
        Assert.Equal(9, BinaryPrimitives.ReadUInt16LittleEndian(fadt.AsSpan(46)));
        Assert.Equal(0x600u, Double(fadt, 56));
        Assert.Equal(0x604u, Double(fadt, 64));
        Assert.Equal(0x608u, Double(fadt, 76));
        Assert.Equal([4, 2, 0, 4], fadt[88..92]);
        Assert.Equal(0xCF9u, Double(fadt, 120));
        Assert.Equal(6, fadt[128]);
        Assert.Equal(1u << 8 | 1u << 10, Double(fadt, 112) & (1u << 8 | 1u << 10));
        Assert.Equal(3, BinaryPrimitives.ReadUInt16LittleEndian(fadt.AsSpan(109)) & 3);
    }

    [Fact]
    public void The_MADT_lists_processors_the_IO_APIC_overrides_and_the_NMI_pin()
    {
        byte[] madt = Parse(Pc)["APIC"];
        List<byte[]> entries = [];
        for (int at = 44; at < madt.Length; at += madt[at + 1])
        {
            entries.Add(madt[at..(at + madt[at + 1])]);
        }

        Assert.Equal(0xFEE0_0000u, Double(madt, 36));
        Assert.Equal(1u, Double(madt, 40));
        Assert.Equal([0, 1], entries.Where(e => e[0] == 0).Select(e => e[3]));
        Assert.Equal(0xFEC0_0000u, Double(Assert.Single(entries, e => e[0] == 1), 4));
        Assert.Equal(["0->2:0", "9->9:13", "10->10:13", "11->11:13"], entries.Where(e => e[0] == 2).Select(e => $"{e[3]}->{Double(e, 4)}:{e[8]}"));
        Assert.Equal([4, 6, 0xFF, 0, 0, 1], Assert.Single(entries, e => e[0] == 4));
    }

    [Fact]
    public void The_DSDT_routes_every_pin_to_the_line_of_the_board()
    {
        byte[] dsdt = Parse(Pc)["DSDT"];
        int at = dsdt.AsSpan().IndexOf("_PRT"u8);

        // Package of 128 packages; the first: FFFFh, pin 0, no link, line 11.
        Assert.Equal(128, dsdt[at + 7]);
        Assert.Equal([0x12, 0x09, 4, 0x0B, 0xFF, 0xFF, 0, 0, 0x0A, 11], dsdt[(at + 8)..(at + 18)]);
    }

    [Fact]
    public void Pins_are_wired_as_PC_firmware_writes_them_into_the_interrupt_line_registers()
    {
        int[] pirqs = [10, 10, 11, 11];
        for (int device = 1; device < 32; device++)
        {
            for (int pin = 0; pin < 4; pin++)
            {
                Assert.Equal(pirqs[(device - 1 + pin) % 4], PciLayout.Line(device, pin));
            }
        }
    }

    [Fact]
    public void The_DSDT_names_S5_and_the_devices_that_are_plugged_in()
    {
        byte[] dsdt = Parse(Pc)["DSDT"];
        string text = Encoding.ASCII.GetString(dsdt);

        Assert.Contains("COM1", text, StringComparison.Ordinal);
        Assert.Contains("RTC_", text, StringComparison.Ordinal);
        int s5 = dsdt.AsSpan().IndexOf("_S5_"u8);
        Assert.Equal([0x12, 8, 4, 0x0A, 5, 0x0A, 5, 0, 0], dsdt[(s5 + 4)..(s5 + 13)]);

        string bare = Encoding.ASCII.GetString(Parse(Pc with { SerialPorts = [], RealTimeClock = null })["DSDT"]);
        Assert.DoesNotContain("COM1", bare, StringComparison.Ordinal);
        Assert.DoesNotContain("RTC_", bare, StringComparison.Ordinal);
    }

    private static Dictionary<string, byte[]> Parse(AcpiPlatform platform)
    {
        byte[] bytes = AcpiTables.Build(platform, Base).Bytes.ToArray();
        Dictionary<string, byte[]> tables = [];
        ulong xsdt = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(24));
        byte[] list = Table(bytes, xsdt);
        tables["XSDT"] = list;
        for (int at = 36; at < list.Length; at += 8)
        {
            ulong address = BinaryPrimitives.ReadUInt64LittleEndian(list.AsSpan(at));
            tables[Signature(bytes, address)] = Table(bytes, address);
        }

        tables["DSDT"] = Table(bytes, Double(tables["FACP"], 40));
        Assert.Equal("DSDT", Encoding.ASCII.GetString(tables["DSDT"], 0, 4));
        return tables;
    }

    private static byte[] Table(byte[] bytes, ulong address)
    {
        int at = (int)(address - Base);
        return bytes[at..(at + (int)Double(bytes, at + 4))];
    }

    private static string Signature(byte[] bytes, ulong address) => Encoding.ASCII.GetString(bytes, (int)(address - Base), 4);

    private static uint Double(byte[] bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at));

    private static byte Sum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (byte value in bytes)
        {
            sum += value;
        }

        return sum;
    }
}
