using System.Buffers.Binary;
using Vmm.Machine.Boards;

namespace Vmm.Machine.Firmware;

/// <summary>
/// Where RAM is, for firmware: records of address, length and type as in ACPI 6.5 table 15.1. Only what is plugged in;
/// what the firmware takes for itself it knows better.
/// </summary>
public static class MemoryMapFile
{
    private const int RecordBytes = 20;

    /// <summary>Makes the file.</summary>
    /// <param name="memory">Where RAM is.</param>
    public static FirmwareFile Create(MemoryLayout memory)
    {
        List<MemoryMapEntry> map = [new(0, memory.LowMemoryBytes, MemoryMapType.Usable)];
        if (memory.HighMemoryBytes != 0)
        {
            map.Add(new(MemoryLayout.DeviceHoleEnd, memory.HighMemoryBytes, MemoryMapType.Usable));
        }

        byte[] content = new byte[map.Count * RecordBytes];
        for (int i = 0; i < map.Count; i++)
        {
            Span<byte> record = content.AsSpan(i * RecordBytes, RecordBytes);
            BinaryPrimitives.WriteUInt64LittleEndian(record, map[i].Address);
            BinaryPrimitives.WriteUInt64LittleEndian(record[8..], map[i].Length);
            BinaryPrimitives.WriteUInt32LittleEndian(record[16..], (uint)map[i].Type);
        }

        return new FirmwareFile("etc/e820", content);
    }
}
