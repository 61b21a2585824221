using System.Buffers.Binary;
using System.Numerics;

namespace Vmm.Kernel;

/// <summary>
/// The container of a saved VM, little-endian. A header of 64 bytes: magic, container version, number of sections,
/// length and checksum of the section table, identity, identity of the base whose memory this one goes on from, flags,
/// checksum. The table: for each section path, schema and plugin (16 bits of length and UTF-8), version, offset, length,
/// checksum. The sections, without gaps. With <see cref="MemoryFlag"/>: runs of guest memory by rising address, each with
/// address, length (<see cref="ZerosFlag"/>: zeros that are not in the file), checksum of the data, checksum of this;
/// the last one has the number of runs as its address and length 0. Checksums are CRC-32C.
/// </summary>
internal static class SnapshotFormat
{
    public const int Version = 1;

    /// <summary>Bytes of magic and version, which no version changes.</summary>
    public const int VersionEnd = 12;

    public const int HeaderLength = 64;
    public const int HeaderChecksumOffset = 60;
    public const int RunHeaderLength = 24;
    public const int RunChecksumOffset = 20;

    public const uint MemoryFlag = 1;
    public const ulong ZerosFlag = 1UL << 63;

    public const int MaximumSections = 4096;
    public const int MaximumTable = 1 << 20;
    public const int MaximumName = 512;
    public const int MaximumSection = 64 << 20;
    public const long MaximumContent = 256L << 20;
    public const int MaximumRun = 1 << 20;

    public static ReadOnlySpan<byte> Magic => "VMMSAVED"u8;

    public static uint Checksum(ReadOnlySpan<byte> data)
    {
        uint checksum = uint.MaxValue;
        while (data.Length >= sizeof(ulong))
        {
            checksum = BitOperations.Crc32C(checksum, BinaryPrimitives.ReadUInt64LittleEndian(data));
            data = data[sizeof(ulong)..];
        }

        foreach (byte value in data)
        {
            checksum = BitOperations.Crc32C(checksum, value);
        }

        return ~checksum;
    }
}
