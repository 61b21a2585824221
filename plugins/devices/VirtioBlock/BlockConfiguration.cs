using Vmm.Sdk;

namespace Vmm.Plugins.VirtioBlock;

/// <summary>What a driver reads about the disk (VIRTIO 1.2, 5.2.4): struct virtio_blk_config.</summary>
internal static class BlockConfiguration
{
    public const int Length = 60;

    /// <summary>The unit of every sector number of the protocol, whatever the disk's own sectors are.</summary>
    public const int SectorSize = 512;

    /// <summary>What a chain of 256 descriptors has besides header and status.</summary>
    public const int MostSegments = 256 - 2;

    /// <summary>Most sectors that one discard or write of zeros may cover: 16 MiB.</summary>
    public const uint MostRangeSectors = 32768;

    public const int MostDiscardRanges = 16;

    private const int Capacity = 0, SegmentMaximum = 12, BlockSize = 20, QueueCount = 34;
    private const int DiscardSectors = 36, DiscardRanges = 40, DiscardAlignment = 44, ZeroSectors = 48, ZeroRanges = 52;

    public static void Fill(VirtioConfiguration configuration, BlockGeometry geometry, int queues)
    {
        configuration.SetUInt32(SegmentMaximum, MostSegments);
        configuration.SetUInt32(BlockSize, (uint)geometry.SectorSize);
        configuration.SetUInt16(QueueCount, (ushort)queues);
        configuration.SetUInt32(DiscardSectors, MostRangeSectors);
        configuration.SetUInt32(DiscardRanges, MostDiscardRanges);
        configuration.SetUInt32(DiscardAlignment, (uint)geometry.SectorSize / SectorSize);
        configuration.SetUInt32(ZeroSectors, MostRangeSectors);
        configuration.SetUInt32(ZeroRanges, 1);
        SetCapacity(configuration, geometry);
    }

    public static void SetCapacity(VirtioConfiguration configuration, BlockGeometry geometry) =>
        configuration.SetUInt64(Capacity, geometry.SectorCount * ((uint)geometry.SectorSize / SectorSize));
}
