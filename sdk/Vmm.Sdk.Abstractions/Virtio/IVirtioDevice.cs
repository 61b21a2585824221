namespace Vmm.Sdk;

/// <summary>
/// A device that speaks VIRTIO 1.2: an ability of an <see cref="IDevice"/>, as <see cref="IPciFunction"/> is. The
/// transport (PCI configuration space, status, feature negotiation, interrupts), the rings and their state are the
/// host's; the device has a type, a configuration space and queues. All members are called under the device's gate.
/// When the driver resets the device, every queue is stopped and <see cref="IDevice.Reset"/> is called with
/// <see cref="ResetKind.Device"/>.
/// </summary>
public interface IVirtioDevice
{
    /// <summary>What the driver is shown. Read once, before <see cref="IDevice.Attach"/>.</summary>
    VirtioIdentity Identity { get; }

    /// <summary>Tells the device what the driver accepted, before any queue is ready.</summary>
    /// <param name="features">A subset of what was offered, with the bits of rings and transport that the host negotiates.</param>
    /// <returns>False when the device cannot work with this subset; the driver is told so (2.1, FEATURES_OK).</returns>
    bool AcceptFeatures(ulong features);

    /// <summary>Reads the device-specific configuration space, which is little-endian.</summary>
    /// <param name="offset">Bytes from its start; the access lies inside <see cref="VirtioIdentity.ConfigurationLength"/>.</param>
    /// <param name="width">Byte, word or double word; a 64-bit field is read in two halves.</param>
    /// <returns>The value; bits above the width are ignored.</returns>
    ulong ReadConfiguration(uint offset, AccessWidth width);

    /// <summary>Writes the device-specific configuration space.</summary>
    /// <param name="offset">Bytes from its start; the access lies inside <see cref="VirtioIdentity.ConfigurationLength"/>.</param>
    /// <param name="width">Byte, word or double word.</param>
    /// <param name="value">The value; bits above the width are zero.</param>
    void WriteConfiguration(uint offset, AccessWidth width, ulong value);

    /// <summary>A queue that the driver enabled may be used from now on: the driver is ready (DRIVER_OK).</summary>
    /// <param name="queue">The queue. Valid until <see cref="QueueStopped"/>.</param>
    void QueueReady(IVirtioQueue queue);

    /// <summary>
    /// There may be new chains in a queue. Also called after <see cref="QueueReady"/> and after a restore, so that
    /// nothing is lost that came before.
    /// </summary>
    /// <param name="queue">A queue that is ready.</param>
    void QueueNotified(IVirtioQueue queue);

    /// <summary>
    /// A queue stops: it gives no more chains. Give back the chains that were taken from it, at once or when the work
    /// on them has ended: the driver waits for that, because it takes the memory back.
    /// </summary>
    /// <param name="queue">A queue that was ready.</param>
    void QueueStopped(IVirtioQueue queue);
}

/// <summary>What a driver learns about a device before it starts it.</summary>
/// <param name="DeviceType">The virtio device id (VIRTIO 1.2, chapter 5), 1 to 0xFBF: the plugin's own number.</param>
/// <param name="ClassCode">The PCI class, as in <see cref="PciIdentity.ClassCode"/>.</param>
/// <param name="Features">Feature bits of the device type: 0 to 23 and 50 to 63. The bits between are the host's.</param>
/// <param name="ConfigurationLength">Bytes of device-specific configuration space, 0 to 4096.</param>
/// <param name="QueueSizes">Largest size of each queue: 1 to 64 powers of two from 1 to 32,768.</param>
public readonly record struct VirtioIdentity(
    ushort DeviceType, uint ClassCode, ulong Features, int ConfigurationLength, IReadOnlyList<int> QueueSizes);
