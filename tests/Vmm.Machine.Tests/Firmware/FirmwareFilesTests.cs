using System.Buffers.Binary;
using System.Text;
using Vmm.Machine.Acpi;
using Vmm.Machine.Boards;
using Vmm.Machine.Firmware;
using Vmm.Sdk;

namespace Vmm.Machine.Tests.Firmware;

public sealed class FirmwareFilesTests
{
    private static readonly AcpiPlatform Platform = new()
    {
        ProcessorCount = 2,
        IoApic = 0xFEC0_0000,
        Hpet = 0xFED0_0000,
        Power = new AcpiPowerManagement(0x600, 0x604, 0x608, 9, 5),
    };

    [Fact]
    public void The_memory_map_has_the_RAM_that_is_plugged_in()
    {
        byte[] map = MemoryMapFile.Create(new MemoryLayout(5ul << 30)).Content.ToArray();

        Assert.Equal(40, map.Length);
        Assert.Equal([0ul, 0xC000_0000ul], [Quad(map, 0), Quad(map, 8)]);
        Assert.Equal([1ul << 32, 2ul << 30], [Quad(map, 20), Quad(map, 28)]);
        Assert.Equal([1u, 1u], [Double(map, 16), Double(map, 36)]);
        Assert.Equal(20, MemoryMapFile.Create(new MemoryLayout(64 << 20)).Content.Length);
    }

    [Theory]
    [InlineData(0x3FFF_0000u, 0xF_1230u)]
    [InlineData(0x10_0040u, 0xF_0000u)]
    public void The_script_puts_tables_anywhere_with_right_pointers_and_checksums(uint tablesAt, uint rootAt)
    {
        Dictionary<string, (uint Address, byte[] Content)> loaded = Run(AcpiFiles.Create(Platform), tablesAt, rootAt);
        byte[] root = loaded["etc/acpi/rsdp"].Content;
        byte[] tables = loaded["etc/acpi/tables"].Content;

        Assert.Equal("RSD PTR "u8.ToArray(), root[..8]);
        Assert.Equal(0, Sum(root.AsSpan(0, 20)));
        Assert.Equal(0, Sum(root));
        Span<byte> xsdt = At(tables, tablesAt, Quad(root, 24));
        AssertTable("XSDT", xsdt);
        List<string> listed = [];
        for (int i = 36; i < xsdt.Length; i += 8)
        {
            Span<byte> table = At(tables, tablesAt, BinaryPrimitives.ReadUInt64LittleEndian(xsdt[i..]));
            listed.Add(Encoding.ASCII.GetString(table[..4]));
            AssertTable(listed[^1], table);
        }

        Assert.Equal(["FACP", "APIC", "HPET"], listed);
        Span<byte> fadt = At(tables, tablesAt, BinaryPrimitives.ReadUInt64LittleEndian(xsdt[36..]));
        AssertTable("DSDT", At(tables, tablesAt, BinaryPrimitives.ReadUInt32LittleEndian(fadt[40..])));
        AssertTable("DSDT", At(tables, tablesAt, BinaryPrimitives.ReadUInt64LittleEndian(fadt[140..])));
        Assert.Equal("FACS"u8.ToArray(), At(tables, tablesAt, BinaryPrimitives.ReadUInt32LittleEndian(fadt[36..]))[..4].ToArray());
    }

    /// <summary>The table loader, written after its specification.</summary>
    private static Dictionary<string, (uint Address, byte[] Content)> Run(IReadOnlyList<FirmwareFile> files, uint tablesAt, uint rootAt)
    {
        Dictionary<string, (uint Address, byte[] Content)> loaded = [];
        byte[] script = files.Single(file => file.Name == "etc/table-loader").Content.ToArray();
        for (int at = 0; at < script.Length; at += 128)
        {
            Span<byte> record = script.AsSpan(at, 128);
            string name = Name(record[4..]);
            switch (BinaryPrimitives.ReadUInt32LittleEndian(record))
            {
                case 1:
                    uint address = record[64] == 1 ? tablesAt : rootAt;
                    Assert.Equal(0u, address % BinaryPrimitives.ReadUInt32LittleEndian(record[60..]));
                    loaded[name] = (address, files.Single(file => file.Name == name).Content.ToArray());
                    break;
                case 2:
                    Span<byte> field = loaded[name].Content.AsSpan((int)BinaryPrimitives.ReadUInt32LittleEndian(record[116..]));
                    uint target = loaded[Name(record[60..])].Address;
                    if (record[120] == 8)
                    {
                        BinaryPrimitives.WriteUInt64LittleEndian(field, BinaryPrimitives.ReadUInt64LittleEndian(field) + target);
                    }
                    else
                    {
                        Assert.Equal(4, record[120]);
                        BinaryPrimitives.WriteUInt32LittleEndian(field, BinaryPrimitives.ReadUInt32LittleEndian(field) + target);
                    }

                    break;
                case 3:
                    byte[] content = loaded[name].Content;
                    int start = (int)BinaryPrimitives.ReadUInt32LittleEndian(record[64..]);
                    int length = (int)BinaryPrimitives.ReadUInt32LittleEndian(record[68..]);
                    content[BinaryPrimitives.ReadUInt32LittleEndian(record[60..])] -= Sum(content.AsSpan(start, length));
                    break;
                default:
                    Assert.Fail($"record at {at} has no known command");
                    break;
            }
        }

        return loaded;
    }

    private static void AssertTable(string signature, Span<byte> table)
    {
        Assert.Equal(signature, Encoding.ASCII.GetString(table[..4]));
        Assert.Equal(0, Sum(table));
    }

    private static Span<byte> At(byte[] tables, uint loadedAt, ulong address)
    {
        Span<byte> table = tables.AsSpan((int)(address - loadedAt));
        return table[..BinaryPrimitives.ReadInt32LittleEndian(table[4..])];
    }

    private static string Name(Span<byte> field) => Encoding.ASCII.GetString(field[..56]).TrimEnd('\0');

    private static byte Sum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (byte value in bytes)
        {
            sum += value;
        }

        return sum;
    }

    private static ulong Quad(byte[] bytes, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(offset));

    private static uint Double(byte[] bytes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(offset));
}
