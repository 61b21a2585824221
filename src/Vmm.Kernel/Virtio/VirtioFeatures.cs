namespace Vmm.Kernel;

/// <summary>Feature bits that belong to rings and transport (VIRTIO 1.2, chapter 6).</summary>
internal static class VirtioFeatures
{
    /// <summary>VIRTIO_F_INDIRECT_DESC.</summary>
    public const ulong IndirectDescriptors = 1UL << 28;

    /// <summary>VIRTIO_F_EVENT_IDX.</summary>
    public const ulong EventIndex = 1UL << 29;

    /// <summary>VIRTIO_F_VERSION_1: without it a driver is one of before the standard.</summary>
    public const ulong Version1 = 1UL << 32;

    /// <summary>VIRTIO_F_RING_RESET.</summary>
    public const ulong RingReset = 1UL << 40;

    /// <summary>What the host offers for every device.</summary>
    public const ulong OfHost = IndirectDescriptors | EventIndex | Version1 | RingReset;

    /// <summary>Bits that a device type may define (2.2): 0 to 23 and 50 to 63.</summary>
    public const ulong OfDevices = 0x00FF_FFFFUL | (ulong.MaxValue << 50);
}
