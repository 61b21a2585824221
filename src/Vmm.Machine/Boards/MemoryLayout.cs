namespace Vmm.Machine.Boards;

/// <summary>
/// Where RAM lies in guest-physical address space: below the hole for devices under 4 GiB, the rest from 4 GiB on.
/// </summary>
public sealed class MemoryLayout : IBoard
{
    /// <summary>Start of the hole for device memory under 4 GiB: RAM never reaches beyond it.</summary>
    public const ulong DeviceHoleStart = 0xC000_0000;

    /// <summary>First address above the hole.</summary>
    public const ulong DeviceHoleEnd = 0x1_0000_0000;

    /// <summary>Start of the legacy video window, which no RAM answers.</summary>
    public const ulong VideoWindowStart = 0xA_0000;

    /// <summary>End of the legacy video window.</summary>
    public const ulong VideoWindowEnd = 0xC_0000;

    /// <summary>Start of the area that a PC's firmware occupies; the ACPI tables stand here.</summary>
    public const ulong FirmwareAreaStart = 0xE_0000;

    /// <summary>End of the firmware area: 1 MiB.</summary>
    public const ulong FirmwareAreaEnd = 0x10_0000;

    /// <summary>Lays out RAM.</summary>
    /// <param name="bytes">Amount of RAM, a multiple of 2 MiB.</param>
    /// <param name="processorCount">Number of virtual processors.</param>
    public MemoryLayout(ulong bytes, int processorCount = 1)
    {
        LowMemoryBytes = Math.Min(bytes, DeviceHoleStart);
        HighMemoryBytes = bytes - LowMemoryBytes;
        ProcessorCount = processorCount;
        List<MemoryMapEntry> map =
        [
            new(0, VideoWindowStart, MemoryMapType.Usable),
            new(FirmwareAreaStart, FirmwareAreaEnd - FirmwareAreaStart, MemoryMapType.Reserved),
            new(FirmwareAreaEnd, LowMemoryBytes - FirmwareAreaEnd, MemoryMapType.Usable),
        ];
        if (HighMemoryBytes != 0)
        {
            map.Add(new(DeviceHoleEnd, HighMemoryBytes, MemoryMapType.Usable));
        }

        Map = map;
    }

    /// <inheritdoc/>
    public ulong LowMemoryBytes { get; }

    /// <inheritdoc/>
    public ulong HighMemoryBytes { get; }

    /// <inheritdoc/>
    public int ProcessorCount { get; }

    /// <summary>The map that the guest is told, sorted by address.</summary>
    public IReadOnlyList<MemoryMapEntry> Map { get; }
}

/// <summary>A range of the memory map.</summary>
/// <param name="Address">First guest-physical address.</param>
/// <param name="Length">Length in bytes.</param>
/// <param name="Type">What it is.</param>
public readonly record struct MemoryMapEntry(ulong Address, ulong Length, MemoryMapType Type);

/// <summary>Kinds of memory, numbered as in ACPI 6.5 table 15.2; E820, PVH and Multiboot use the same numbers.</summary>
public enum MemoryMapType : uint
{
    /// <summary>RAM that the operating system may use.</summary>
    Usable = 1,

    /// <summary>In use, or not there: leave alone.</summary>
    Reserved = 2,
}
