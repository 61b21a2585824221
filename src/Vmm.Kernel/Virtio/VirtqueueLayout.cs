namespace Vmm.Kernel;

/// <summary>Where the driver put a split virtqueue (VIRTIO 1.2, 2.7).</summary>
/// <param name="Size">Number of entries, a power of two.</param>
/// <param name="Descriptors">Guest-physical address of the descriptor table.</param>
/// <param name="Driver">Guest-physical address of the driver area: the available ring.</param>
/// <param name="Device">Guest-physical address of the device area: the used ring.</param>
internal readonly record struct VirtqueueLayout(int Size, ulong Descriptors, ulong Driver, ulong Device)
{
    public const int DescriptorLength = 16, UsedElementLength = 8;
    public const int FlagsOffset = 0, IndexOffset = 2, RingOffset = 4;

    /// <summary>Offset of used_event behind the available ring (2.7.6).</summary>
    public int UsedEventOffset => RingOffset + (2 * Size);

    /// <summary>Offset of avail_event behind the used ring (2.7.8).</summary>
    public int AvailableEventOffset => RingOffset + (UsedElementLength * Size);

    public int DescriptorsLength => DescriptorLength * Size;

    public int DriverLength => UsedEventOffset + 2;

    public int DeviceLength => AvailableEventOffset + 2;

    /// <summary>Alignment of the three parts (2.7): 16, 2 and 4 bytes. The indexes are accessed atomically because of it.</summary>
    public bool IsAligned => (Descriptors & 15) == 0 && (Driver & 1) == 0 && (Device & 3) == 0;
}
