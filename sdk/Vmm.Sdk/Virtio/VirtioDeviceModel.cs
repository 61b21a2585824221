namespace Vmm.Sdk;

/// <summary>Base of virtio devices: override what the device has and leave the rest. It has no configuration space unless it says so.</summary>
public abstract class VirtioDeviceModel : DeviceModel, IVirtioDevice
{
    /// <inheritdoc/>
    public abstract VirtioIdentity Identity { get; }

    /// <summary>What driver and device agreed on.</summary>
    protected ulong Features { get; private set; }

    /// <inheritdoc/>
    public virtual bool AcceptFeatures(ulong features)
    {
        Features = features;
        return true;
    }

    /// <inheritdoc/>
    public virtual ulong ReadConfiguration(uint offset, AccessWidth width) => 0;

    /// <inheritdoc/>
    public virtual void WriteConfiguration(uint offset, AccessWidth width, ulong value)
    {
    }

    /// <inheritdoc/>
    public virtual void QueueReady(IVirtioQueue queue)
    {
    }

    /// <inheritdoc/>
    public abstract void QueueNotified(IVirtioQueue queue);

    /// <inheritdoc/>
    public virtual void QueueStopped(IVirtioQueue queue)
    {
    }
}
