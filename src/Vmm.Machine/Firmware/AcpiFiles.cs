using System.Buffers.Binary;
using Vmm.Machine.Acpi;

namespace Vmm.Machine.Firmware;

/// <summary>
/// The ACPI tables for firmware that decides itself where they stand: the tables with addresses counted from the start
/// of their file, the root pointer, and the script that tells how to place both.
/// </summary>
public static class AcpiFiles
{
    private const string Tables = "etc/acpi/tables";
    private const string RootPointer = "etc/acpi/rsdp";
    private const string Script = "etc/table-loader";

    /// <summary>A cache line, as FACS wants (ACPI 6.5 5.2.10).</summary>
    private const int TableAlignment = 64;
    private const int RootPointerAlignment = 16;

    /// <summary>Makes the files.</summary>
    /// <param name="platform">What there is.</param>
    public static IReadOnlyList<FirmwareFile> Create(AcpiPlatform platform)
    {
        // Built so that the first table, and with it the file, begins at address 0.
        AcpiTables tables = AcpiTables.Build(platform, unchecked(0 - (ulong)AcpiTables.FirstTable));
        TableLoaderScript script = new();
        script.Allocate(Tables, TableAlignment, TableLoaderZone.High);
        script.Allocate(RootPointer, RootPointerAlignment, TableLoaderZone.FirmwareSegment);
        foreach (IGrouping<int, AcpiPointer> table in tables.Pointers.GroupBy(pointer => pointer.Table))
        {
            int start = table.Key - AcpiTables.FirstTable;
            foreach (AcpiPointer pointer in table)
            {
                script.AddPointer(Tables, start + pointer.Offset, pointer.Bytes, Tables);
            }

            int length = BinaryPrimitives.ReadInt32LittleEndian(tables.Bytes[(table.Key + AcpiTables.LengthOffset)..]);
            script.AddChecksum(Tables, start + AcpiTables.ChecksumOffset, start, length);
        }

        script.AddPointer(RootPointer, AcpiTables.XsdtOffset, sizeof(ulong), Tables);
        script.AddChecksum(RootPointer, AcpiTables.ExtendedChecksumOffset, 0, AcpiTables.RootPointerBytes);
        return
        [
            new FirmwareFile(Tables, tables.Bytes[AcpiTables.FirstTable..].ToArray()),
            new FirmwareFile(RootPointer, tables.Bytes[..AcpiTables.RootPointerBytes].ToArray()),
            new FirmwareFile(Script, script.ToArray()),
        ];
    }
}
