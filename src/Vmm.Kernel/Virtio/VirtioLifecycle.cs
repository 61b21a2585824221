namespace Vmm.Kernel;

/// <summary>
/// A virtio device from its reset to the work on its queues, whatever carries it (VIRTIO 1.2, 2.1, 2.2, 2.6.1 and 3.1).
/// Every call comes under the device's gate.
/// </summary>
internal sealed class VirtioLifecycle : IVirtqueueOwner
{
    private readonly IVirtioDevice _device;
    private readonly IDeviceContext _context;
    private readonly IPciSlot _slot;
    private readonly VirtioInterrupts _interrupts;
    private readonly VirtqueueRegisters[] _queues;
    private readonly List<(int Index, SplitVirtqueue Queue)> _draining = [];
    private VirtioDeviceStatus _status;

    public VirtioLifecycle(IVirtioDevice device, VirtioIdentity identity, IDeviceContext context, IPciSlot slot, VirtioInterrupts interrupts)
    {
        _device = device;
        _context = context;
        _slot = slot;
        _interrupts = interrupts;
        _queues = [.. identity.QueueSizes.Select(size => new VirtqueueRegisters(size))];
        OfferedFeatures = identity.Features | VirtioFeatures.OfHost;
    }

    public ulong OfferedFeatures { get; }

    /// <summary>What the driver wants; fixed by FEATURES_OK.</summary>
    public ulong DriverFeatures { get; private set; }

    /// <summary>Counts changes of the configuration space (4.1.4.3, config_generation).</summary>
    public byte ConfigurationGeneration { get; private set; }

    public IReadOnlyList<VirtqueueRegisters> Queues => _queues;

    public bool MayAccessMemory => _slot.BusMasterEnabled;

    /// <summary>
    /// device_status as the driver reads it. A reset is not over while the device works on chains of before: the driver
    /// waits until it reads 0 and takes its memory back then (4.1.4.3.1).
    /// </summary>
    public VirtioDeviceStatus Status => _status == VirtioDeviceStatus.None && IsDraining(null) ? VirtioDeviceStatus.Acknowledge : _status;

    private bool Runs => (_status & (VirtioDeviceStatus.DriverOk | VirtioDeviceStatus.DeviceNeedsReset)) == VirtioDeviceStatus.DriverOk;

    public void WriteStatus(VirtioDeviceStatus value)
    {
        if (value == VirtioDeviceStatus.None)
        {
            Reset(ResetKind.Device);
            return;
        }

        VirtioDeviceStatus added = value & VirtioDeviceStatus.OfDriver & ~_status;
        _status |= added;
        if ((added & VirtioDeviceStatus.FeaturesOk) != 0 && !AcceptFeatures())
        {
            _status &= ~VirtioDeviceStatus.FeaturesOk;
        }

        if ((added & VirtioDeviceStatus.DriverOk) != 0)
        {
            if ((_status & VirtioDeviceStatus.FeaturesOk) == 0)
            {
                RequireReset("the driver is ready before features are agreed on");
            }

            Run();
        }
    }

    public void WriteDriverFeatures(ulong features)
    {
        if ((_status & VirtioDeviceStatus.FeaturesOk) == 0)
        {
            DriverFeatures = features;
        }
    }

    /// <summary>queue_enable.</summary>
    public void Enable(int index)
    {
        VirtqueueRegisters registers = _queues[index];
        if (registers.Queue is not null || (_status & (VirtioDeviceStatus.FeaturesOk | VirtioDeviceStatus.DeviceNeedsReset)) != VirtioDeviceStatus.FeaturesOk)
        {
            return;
        }

        registers.Queue = Open(index);
        if (registers.Queue is null)
        {
            RequireReset($"queue {index}: {registers.Layout} is misaligned, not in memory, or larger than {registers.MaximumSize}");
        }

        Run();
    }

    /// <summary>queue_reset (2.6.1).</summary>
    public void ResetQueue(int index)
    {
        if ((DriverFeatures & VirtioFeatures.RingReset) != 0)
        {
            ushort vector = _queues[index].Vector;
            Stop(index);
            _queues[index].Reset();
            _queues[index].Vector = vector;
        }
    }

    /// <summary>Whether the reset of a queue waits for the device.</summary>
    public bool IsResetting(int index) => IsDraining(index);

    /// <summary>The driver's notification of a queue.</summary>
    public void Notify(int index)
    {
        if (Runs && (uint)index < (uint)_queues.Length && _queues[index].Queue is { } queue)
        {
            MakeReady(_queues[index], queue);
            queue.Notify(_device);
        }
    }

    public void NotifyConfigurationChanged()
    {
        ConfigurationGeneration++;
        if (Runs)
        {
            _interrupts.SignalConfiguration();
        }
    }

    public void RequireReset(string reason)
    {
        if ((_status & VirtioDeviceStatus.DeviceNeedsReset) != 0)
        {
            return;
        }

        bool tell = Runs;
        _status |= VirtioDeviceStatus.DeviceNeedsReset;
        foreach (VirtqueueRegisters registers in _queues)
        {
            registers.Queue?.Stop();
        }

        _context.Log.Write(DeviceLogLevel.Warning, $"The guest's driver must reset the device: {reason}.");
        if (tell)
        {
            _interrupts.SignalConfiguration();
        }
    }

    public void SignalUsed(int queue) => _interrupts.SignalQueue(_queues[queue].Vector);

    public void Reset(ResetKind kind)
    {
        for (int index = 0; index < _queues.Length; index++)
        {
            Stop(index);
            _queues[index].Reset();
        }

        _status = VirtioDeviceStatus.None;
        DriverFeatures = 0;
        _interrupts.Reset();
        ((IDevice)_device).Reset(kind);
    }

    public void Save(IStateWriter state)
    {
        state.UInt8(1, (byte)_status);
        state.UInt64(2, DriverFeatures);
        state.UInt8(3, ConfigurationGeneration);
        for (int index = 0; index < _queues.Length; index++)
        {
            state.Section(16 + index, _queues[index].Save);
        }
    }

    /// <summary>Reads the state; the device has read its own already. Work goes on once the VM runs.</summary>
    public void Restore(IStateReader state)
    {
        _status = (VirtioDeviceStatus)state.UInt8(1);
        DriverFeatures = state.UInt64(2);
        ConfigurationGeneration = state.UInt8(3);
        if ((_status & ~(VirtioDeviceStatus.OfDriver | VirtioDeviceStatus.DeviceNeedsReset)) != 0
            || ((_status & VirtioDeviceStatus.FeaturesOk) != 0 && !AcceptFeatures()))
        {
            throw new StateException($"The virtio status {_status} does not go with the features 0x{DriverFeatures:x}.");
        }

        for (int index = 0; index < _queues.Length; index++)
        {
            int number = index;
            state.Section(16 + index, section => _queues[number].Restore(
                section, _ => Open(number) ?? throw new StateException($"Queue {number} is misaligned, too large, or not in memory.")));
        }

        if (Runs)
        {
            _context.Post(Run);
        }
        else if ((_status & VirtioDeviceStatus.DeviceNeedsReset) != 0)
        {
            Array.ForEach(_queues, registers => registers.Queue?.Stop());
        }
    }

    /// <summary>Starts every queue that is enabled and does not run yet.</summary>
    private void Run()
    {
        for (int index = 0; Runs && index < _queues.Length; index++)
        {
            if (_queues[index] is { Queue: not null, Ready: false })
            {
                Notify(index);
            }
        }
    }

    private void MakeReady(VirtqueueRegisters registers, SplitVirtqueue queue)
    {
        if (!registers.Ready)
        {
            registers.Ready = true;
            _device.QueueReady(queue);
        }
    }

    private void Stop(int index)
    {
        if (_queues[index] is { Queue: { } queue } registers)
        {
            queue.Stop();
            if (registers.Ready)
            {
                _device.QueueStopped(queue);
            }

            if (queue.Outstanding > 0)
            {
                _draining.Add((index, queue));
            }
        }
    }

    private bool IsDraining(int? index)
    {
        _draining.RemoveAll(entry => entry.Queue.Outstanding == 0);
        return _draining.Exists(entry => index is null || entry.Index == index);
    }

    private bool AcceptFeatures() =>
        (DriverFeatures & ~OfferedFeatures) == 0
        && (DriverFeatures & VirtioFeatures.Version1) != 0
        && _device.AcceptFeatures(DriverFeatures);

    private SplitVirtqueue? Open(int index)
    {
        VirtqueueRegisters registers = _queues[index];
        return registers.HasLegalSize
            ? SplitVirtqueue.Open(_context.Memory, this, index, registers.Layout, registers.MaximumSize, DriverFeatures)
            : null;
    }
}
