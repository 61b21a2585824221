using System.Buffers.Binary;
using System.Text;

namespace Vmm.Machine.Acpi;

/// <summary>ACPI tables, ready to be written into guest memory (ACPI 6.5 ch. 5).</summary>
public sealed class AcpiTables
{
    /// <summary>Bytes of the root pointer.</summary>
    public const int RootPointerBytes = 36;

    /// <summary>Where the first table stands behind the start of the root pointer.</summary>
    public const int FirstTable = Alignment;

    /// <summary>Where a table's checksum is in its header, and where its length.</summary>
    internal const int ChecksumOffset = 9, LengthOffset = 4;

    /// <summary>Where the root pointer has the address of the XSDT, and the checksum over all of itself.</summary>
    internal const int XsdtOffset = 24, ExtendedChecksumOffset = 32;

    private const int HeaderBytes = 36;
    private const int Alignment = 64;

    private readonly List<byte> _bytes = [];
    private readonly List<AcpiPointer> _pointers = [];

    private AcpiTables(ulong address) => Address = address;

    /// <summary>Where the tables must stand.</summary>
    public ulong Address { get; }

    /// <summary>Address of the root pointer.</summary>
    public ulong RootPointer => Address;

    /// <summary>All tables, root pointer first.</summary>
    public ReadOnlySpan<byte> Bytes => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_bytes);

    /// <summary>Where tables point to tables.</summary>
    internal IReadOnlyList<AcpiPointer> Pointers => _pointers;

    /// <summary>Makes the tables of a platform.</summary>
    /// <param name="platform">What there is.</param>
    /// <param name="address">Where they will stand: below 4 GiB, 16-byte-aligned; between E0000h and FFFFFh for guests that search.</param>
    public static AcpiTables Build(AcpiPlatform platform, ulong address)
    {
        AcpiTables tables = new(address);
        tables._bytes.AddRange(new byte[RootPointerBytes]);
        ulong facs = tables.Append(FirmwareControlStructure.Build());
        ulong dsdt = tables.Append(Table("DSDT", 2, DifferentiatedDescription.Build(platform)));
        ulong fadt = tables.Append(Table("FACP", 6, FixedDescription.Build(platform, facs, dsdt)));
        tables.NotePointers(fadt, FixedDescription.Pointers);
        List<ulong> listed =
        [
            fadt,
            tables.Append(Table("APIC", 5, InterruptControllers.Build(platform))),
        ];
        if (platform.Hpet is { } hpet)
        {
            listed.Add(tables.Append(Table("HPET", 1, EventTimer.Build(hpet))));
        }

        if (platform.Pci?.ExtendedConfiguration is { } configuration)
        {
            listed.Add(tables.Append(Table("MCFG", 1, ConfigurationAccess.Build(configuration))));
        }

        byte[] list = new byte[listed.Count * 8];
        for (int i = 0; i < listed.Count; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(list.AsSpan(i * 8), listed[i]);
        }

        ulong xsdt = tables.Append(Table("XSDT", 1, list));
        tables.NotePointers(xsdt, [.. listed.Select((_, i) => (HeaderBytes + (i * 8), 8))]);
        WriteRootPointer(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(tables._bytes), xsdt);
        return tables;
    }

    /// <summary>Puts the common header before a table's content (ACPI 6.5 5.2.6).</summary>
    internal static byte[] Table(string signature, byte revision, ReadOnlySpan<byte> content)
    {
        byte[] table = new byte[HeaderBytes + content.Length];
        content.CopyTo(table.AsSpan(HeaderBytes));
        Encoding.ASCII.GetBytes(signature, table);
        BinaryPrimitives.WriteInt32LittleEndian(table.AsSpan(LengthOffset), table.Length);
        table[8] = revision;
        "VMM   "u8.CopyTo(table.AsSpan(10));
        "VMM-PC  "u8.CopyTo(table.AsSpan(16));
        BinaryPrimitives.WriteInt32LittleEndian(table.AsSpan(24), 1);
        "VMM "u8.CopyTo(table.AsSpan(28));
        BinaryPrimitives.WriteInt32LittleEndian(table.AsSpan(32), 1);
        table[ChecksumOffset] = Checksum(table);
        return table;
    }

    private ulong Append(byte[] table)
    {
        _bytes.AddRange(new byte[(Alignment - _bytes.Count % Alignment) % Alignment]);
        ulong address = Address + (ulong)_bytes.Count;
        _bytes.AddRange(table);
        return address;
    }

    private void NotePointers(ulong table, IReadOnlyList<(int Offset, int Bytes)> fields)
    {
        int start = (int)(table - Address);
        _pointers.AddRange(fields.Select(field => new AcpiPointer(start, field.Offset, field.Bytes)));
    }

    /// <summary>RSDP of revision 2 (ACPI 6.5 5.2.5.3), without an RSDT.</summary>
    private static void WriteRootPointer(Span<byte> pointer, ulong xsdt)
    {
        "RSD PTR "u8.CopyTo(pointer);
        "VMM   "u8.CopyTo(pointer[9..]);
        pointer[15] = 2;
        BinaryPrimitives.WriteInt32LittleEndian(pointer[20..], RootPointerBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(pointer[XsdtOffset..], xsdt);
        pointer[8] = Checksum(pointer[..20]);
        pointer[ExtendedChecksumOffset] = Checksum(pointer[..RootPointerBytes]);
    }

    /// <summary>The byte that makes the sum of all bytes zero.</summary>
    private static byte Checksum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (byte value in bytes)
        {
            sum += value;
        }

        return (byte)-sum;
    }
}

/// <summary>A field of a table with the address of another table.</summary>
/// <param name="Table">Where its table stands behind the start of the root pointer.</param>
/// <param name="Offset">Where it is in its table.</param>
/// <param name="Bytes">Its length.</param>
internal readonly record struct AcpiPointer(int Table, int Offset, int Bytes);
