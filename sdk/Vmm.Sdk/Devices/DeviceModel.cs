namespace Vmm.Sdk;

/// <summary>
/// Base of device models: override what the device needs and leave the rest. The device has no registers until
/// <see cref="Attach"/> claims some.
/// </summary>
public abstract class DeviceModel : IDevice, IStateful
{
    /// <inheritdoc/>
    public virtual void Attach()
    {
    }

    /// <inheritdoc/>
    public virtual void Reset(ResetKind kind)
    {
    }

    /// <inheritdoc/>
    public virtual void Save(IStateWriter state)
    {
    }

    /// <inheritdoc/>
    public virtual void Restore(IStateReader state)
    {
    }
}
