namespace Vmm.Kernel;

/// <summary>The common configuration structure of the PCI transport (VIRTIO 1.2, 4.1.4.3).</summary>
internal sealed class VirtioCommonConfiguration(VirtioLifecycle device, VirtioInterrupts interrupts)
{
    public const uint Length = 0x40;

    private uint _deviceFeatureSelect;
    private uint _driverFeatureSelect;
    private ushort _queueSelect;

    private VirtqueueRegisters? Selected => _queueSelect < device.Queues.Count ? device.Queues[_queueSelect] : null;

    /// <summary>Reads. Fields are packed in double words; a narrower access gets its part.</summary>
    public uint Read(uint offset) => ReadDoubleWord(offset & ~3u) >> (int)(8 * (offset & 3));

    /// <summary>Writes a field. Drivers write each with its own width (4.1.3.1); other writes have no effect.</summary>
    public void Write(uint offset, AccessWidth width, uint value)
    {
        switch (offset, width)
        {
            case (0x00, AccessWidth.DoubleWord):
                _deviceFeatureSelect = value;
                break;
            case (0x08, AccessWidth.DoubleWord):
                _driverFeatureSelect = value;
                break;
            case (0x0C, AccessWidth.DoubleWord):
                WriteDriverFeatures(value);
                break;
            case (0x10, AccessWidth.Word):
                interrupts.MapConfiguration((ushort)value);
                break;
            case (0x14, AccessWidth.Byte):
                device.WriteStatus((VirtioDeviceStatus)value);
                break;
            case (0x16, AccessWidth.Word):
                _queueSelect = (ushort)value;
                break;
            case (0x1A, AccessWidth.Word) when Selected is { } queue:
                queue.Vector = interrupts.Mapped((ushort)value);
                break;
            case (0x1C, AccessWidth.Word) when Selected is not null && value == 1:
                device.Enable(_queueSelect);
                break;
            case (0x3A, AccessWidth.Word) when Selected is not null && value == 1:
                device.ResetQueue(_queueSelect);
                break;
            default:
                // The place of a queue is fixed once it is enabled (4.1.4.3.2).
                if (Selected is { Queue: null } disabled)
                {
                    WritePlace(disabled, offset, width, value);
                }

                break;
        }
    }

    public void Reset() => _deviceFeatureSelect = _driverFeatureSelect = _queueSelect = 0;

    public void Save(IStateWriter state)
    {
        state.UInt32(1, _deviceFeatureSelect);
        state.UInt32(2, _driverFeatureSelect);
        state.UInt16(3, _queueSelect);
    }

    public void Restore(IStateReader state)
    {
        _deviceFeatureSelect = state.UInt32(1);
        _driverFeatureSelect = state.UInt32(2);
        _queueSelect = state.UInt16(3);
    }

    private static uint Part(ulong features, uint select) => select < 2 ? (uint)(features >> (int)(32 * select)) : 0;

    private static ulong With(ulong register, uint offset, uint value) =>
        (offset & 4) == 0 ? (register & ~(ulong)uint.MaxValue) | value : (uint)register | ((ulong)value << 32);

    private static void WritePlace(VirtqueueRegisters queue, uint offset, AccessWidth width, uint value)
    {
        switch (offset, width)
        {
            case (0x18, AccessWidth.Word):
                queue.Size = (ushort)value;
                break;
            case (0x20 or 0x24, AccessWidth.DoubleWord):
                queue.Descriptors = With(queue.Descriptors, offset, value);
                break;
            case (0x28 or 0x2C, AccessWidth.DoubleWord):
                queue.Driver = With(queue.Driver, offset, value);
                break;
            case (0x30 or 0x34, AccessWidth.DoubleWord):
                queue.Device = With(queue.Device, offset, value);
                break;
        }
    }

    private uint ReadDoubleWord(uint offset) => offset switch
    {
        0x00 => _deviceFeatureSelect,
        0x04 => Part(device.OfferedFeatures, _deviceFeatureSelect),
        0x08 => _driverFeatureSelect,
        0x0C => Part(device.DriverFeatures, _driverFeatureSelect),
        0x10 => interrupts.ConfigurationVector | ((uint)device.Queues.Count << 16),
        0x14 => (uint)device.Status | ((uint)device.ConfigurationGeneration << 8) | ((uint)_queueSelect << 16),
        _ when Selected is { } queue => ReadQueue(queue, offset),
        _ => 0, // a queue that there is not has size 0
    };

    private uint ReadQueue(VirtqueueRegisters queue, uint offset) => offset switch
    {
        0x18 => queue.Size | ((uint)queue.Vector << 16),
        0x1C => (queue.Queue is null ? 0u : 1) | ((uint)_queueSelect << 16), // queue_notify_off is the queue's number
        0x20 => (uint)queue.Descriptors,
        0x24 => (uint)(queue.Descriptors >> 32),
        0x28 => (uint)queue.Driver,
        0x2C => (uint)(queue.Driver >> 32),
        0x30 => (uint)queue.Device,
        0x34 => (uint)(queue.Device >> 32),
        0x38 => device.IsResetting(_queueSelect) ? 1u << 16 : 0,
        _ => 0,
    };

    private void WriteDriverFeatures(uint value)
    {
        if (_driverFeatureSelect < 2)
        {
            device.WriteDriverFeatures(With(device.DriverFeatures, 4 * _driverFeatureSelect, value));
        }
        else if (value != 0)
        {
            // Bits above 63 are never offered; accepting one makes FEATURES_OK fail, like any other that is not offered.
            device.WriteDriverFeatures(ulong.MaxValue);
        }
    }
}
