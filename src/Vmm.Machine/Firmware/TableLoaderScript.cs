using System.Buffers.Binary;
using System.Text;

namespace Vmm.Machine.Firmware;

/// <summary>
/// A script for the table loader of firmware for virtual machines: records of 128 bytes, each a command on files
/// (QEMU, "bios-linker-loader").
/// </summary>
internal sealed class TableLoaderScript
{
    private const int RecordBytes = 128;
    private const int NameBytes = 56;

    private readonly List<byte> _records = [];

    /// <summary>Loads a file into memory.</summary>
    public void Allocate(string file, int alignment, TableLoaderZone zone)
    {
        Span<byte> record = New(Command.Allocate);
        PutName(record[4..], file);
        BinaryPrimitives.WriteInt32LittleEndian(record[(4 + NameBytes)..], alignment);
        record[8 + NameBytes] = (byte)zone;
    }

    /// <summary>Adds the address of a file to a field.</summary>
    public void AddPointer(string file, int offset, int bytes, string target)
    {
        Span<byte> record = New(Command.AddPointer);
        PutName(record[4..], file);
        PutName(record[(4 + NameBytes)..], target);
        BinaryPrimitives.WriteInt32LittleEndian(record[(4 + (2 * NameBytes))..], offset);
        record[8 + (2 * NameBytes)] = (byte)bytes;
    }

    /// <summary>Sets the byte at an offset so that a range that has it sums to zero.</summary>
    public void AddChecksum(string file, int offset, int start, int length)
    {
        Span<byte> record = New(Command.AddChecksum);
        PutName(record[4..], file);
        BinaryPrimitives.WriteInt32LittleEndian(record[(4 + NameBytes)..], offset);
        BinaryPrimitives.WriteInt32LittleEndian(record[(8 + NameBytes)..], start);
        BinaryPrimitives.WriteInt32LittleEndian(record[(12 + NameBytes)..], length);
    }

    public byte[] ToArray() => [.. _records];

    private Span<byte> New(Command command)
    {
        _records.AddRange(new byte[RecordBytes]);
        Span<byte> record = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_records)[^RecordBytes..];
        BinaryPrimitives.WriteInt32LittleEndian(record, (int)command);
        return record;
    }

    private static void PutName(Span<byte> field, string name) => Encoding.ASCII.GetBytes(name, field[..(NameBytes - 1)]);

    private enum Command
    {
        Allocate = 1,
        AddPointer = 2,
        AddChecksum = 3,
    }
}

/// <summary>Where a file is loaded.</summary>
internal enum TableLoaderZone : byte
{
    /// <summary>Anywhere in high memory.</summary>
    High = 1,

    /// <summary>Between F0000h and FFFFFh, where guests search.</summary>
    FirmwareSegment = 2,
}
