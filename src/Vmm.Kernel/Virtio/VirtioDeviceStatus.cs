namespace Vmm.Kernel;

/// <summary>Bits of device_status (VIRTIO 1.2, 2.1).</summary>
[Flags]
internal enum VirtioDeviceStatus : byte
{
    None = 0,
    Acknowledge = 1,
    Driver = 2,
    DriverOk = 4,
    FeaturesOk = 8,
    DeviceNeedsReset = 64,
    Failed = 128,

    /// <summary>What a driver may set.</summary>
    OfDriver = Acknowledge | Driver | DriverOk | FeaturesOk | Failed,
}
