namespace Vmm.Kernel;

/// <summary>
/// Interrupts of a virtio function (VIRTIO 1.2, 4.1.5): a message a queue and one for the configuration while the driver
/// has MSI-X enabled, else the pin and the ISR status register.
/// </summary>
internal sealed class VirtioInterrupts(IPciSlot slot, IMessageInterrupts messages, int vectors)
{
    /// <summary>VIRTIO_MSI_NO_VECTOR.</summary>
    public const ushort NoVector = 0xFFFF;

    private const byte QueueInterrupt = 1, ConfigurationInterrupt = 2;
    private byte _status;

    /// <summary>config_msix_vector.</summary>
    public ushort ConfigurationVector { get; private set; } = NoVector;

    /// <summary>What a vector register holds after a write: a vector that there is not maps nothing (4.1.5.1.2).</summary>
    public ushort Mapped(ushort vector) => vector < vectors ? vector : NoVector;

    public void MapConfiguration(ushort vector) => ConfigurationVector = Mapped(vector);

    public void SignalQueue(ushort vector) => Signal(vector, QueueInterrupt);

    public void SignalConfiguration() => Signal(ConfigurationVector, ConfigurationInterrupt);

    /// <summary>Reading the ISR status gives it and releases the pin (4.1.4.5).</summary>
    public byte TakeStatus()
    {
        byte status = _status;
        SetStatus(0);
        return status;
    }

    public void Reset()
    {
        ConfigurationVector = NoVector;
        SetStatus(0);
    }

    public void Save(IStateWriter state)
    {
        state.UInt16(1, ConfigurationVector);
        state.UInt8(2, _status);
    }

    public void Restore(IStateReader state)
    {
        MapConfiguration(state.UInt16(1, NoVector));
        SetStatus((byte)(state.UInt8(2) & (QueueInterrupt | ConfigurationInterrupt)));
    }

    private void Signal(ushort vector, byte status)
    {
        if (!messages.Enabled)
        {
            SetStatus((byte)(_status | status));
        }
        else if (vector != NoVector)
        {
            messages.Signal(vector);
        }
    }

    private void SetStatus(byte status)
    {
        _status = status;
        slot.InterruptPin.Set(status != 0);
    }
}
