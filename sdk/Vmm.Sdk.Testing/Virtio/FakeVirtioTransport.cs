using Vmm.Kernel;

namespace Vmm.Sdk.Testing;

/// <summary>
/// Between a virtio device and a driver that the test plays. Pass it to the device as <see cref="IVirtioTransport"/>,
/// start the device with <see cref="Start"/>, then put chains on <see cref="Ring"/> or ask with <see cref="Request"/>.
/// The queues are the host's own: what they refuse here they refuse there.
/// </summary>
/// <param name="board">The board whose memory holds the rings.</param>
public sealed class FakeVirtioTransport(FakeBoard board) : IVirtioTransport
{
    private const ulong FirstAddress = 1 << 20;
    private const ulong HostFeatures = VirtioFeatures.OfHost;

    private readonly Owner _owner = new();
    private readonly List<DriverRing> _rings = [];
    private readonly List<SplitVirtqueue> _queues = [];
    private IVirtioDevice? _device;
    private ulong _free = FirstAddress;

    /// <summary>How often the device said that its configuration space changed.</summary>
    public int ConfigurationChanges { get; private set; }

    /// <summary>Why the device must be reset, or null.</summary>
    public string? ResetReason => _owner.ResetReason;

    /// <summary>Attaches and resets a device as the host does, agrees on features, and gives it its queues.</summary>
    /// <typeparam name="T">The device type.</typeparam>
    /// <param name="device">The device.</param>
    /// <param name="features">Features of the device type that the driver takes, out of those offered.</param>
    /// <returns>The device.</returns>
    public T Start<T>(T device, ulong features = ulong.MaxValue)
        where T : IDevice, IVirtioDevice
    {
        board.Start(device);
        Resume(device, features);
        return device;
    }

    /// <summary>Starts a device again, after <see cref="Reset"/>.</summary>
    /// <param name="device">The device, attached and reset.</param>
    /// <param name="features">Features of the device type that the driver takes, out of those offered.</param>
    /// <exception cref="InvalidOperationException">The device refuses the features.</exception>
    public void Resume(IVirtioDevice device, ulong features = ulong.MaxValue)
    {
        VirtioIdentity identity = device.Identity;
        ulong agreed = (identity.Features & features) | HostFeatures;
        if (!device.AcceptFeatures(agreed))
        {
            throw new InvalidOperationException($"The device refuses the features 0x{agreed:x}.");
        }

        _device = device;
        _rings.Clear();
        _queues.Clear();
        _owner.Begin(identity.QueueSizes.Count);
        for (int index = 0; index < identity.QueueSizes.Count; index++)
        {
            int size = identity.QueueSizes[index];
            DriverRing ring = new(board.Memory, Allocate(DriverRing.LengthOf(size)), size);
            var layout = new VirtqueueLayout(size, ring.Descriptors, ring.Driver, ring.Device);
            _rings.Add(ring);
            _queues.Add(SplitVirtqueue.Open(board.Memory, _owner, index, layout, size, agreed)
                ?? throw new InvalidOperationException("The board's memory has no room for the rings."));
        }

        foreach (SplitVirtqueue queue in _queues)
        {
            device.QueueReady(queue);
            queue.Notify(device);
        }
    }

    /// <summary>Resets the device as a driver does. What it gives back later has no effect.</summary>
    public void Reset()
    {
        foreach (SplitVirtqueue queue in _queues)
        {
            queue.Stop();
            _device!.QueueStopped(queue);
        }

        ((IDevice)_device!).Reset(ResetKind.Device);
    }

    /// <summary>The driver's side of a queue.</summary>
    /// <param name="queue">Its number.</param>
    public DriverRing Ring(int queue) => _rings[queue];

    /// <summary>How often the driver was interrupted for a queue.</summary>
    /// <param name="queue">Its number.</param>
    public int Interrupts(int queue) => _owner.Interrupts[queue];

    /// <summary>Chains that the device has taken and not given back, also from before a reset.</summary>
    /// <param name="queue">Number of the queue.</param>
    public int Outstanding(int queue) => _queues[queue].Outstanding;

    /// <summary>Notifies the device of new chains.</summary>
    /// <param name="queue">Number of the queue.</param>
    public void Notify(int queue) => _queues[queue].Notify(_device!);

    /// <summary>Takes guest memory for a buffer.</summary>
    /// <param name="length">Length in bytes.</param>
    /// <returns>Its address, a multiple of 4,096.</returns>
    public ulong Allocate(int length)
    {
        ulong address = _free;
        _free += ((ulong)length + 4095) & ~4095ul;
        return address;
    }

    /// <summary>Puts bytes into guest memory.</summary>
    /// <param name="content">The bytes, at least one.</param>
    /// <returns>A part for a chain.</returns>
    public RingPart Place(ReadOnlySpan<byte> content)
    {
        ulong address = Allocate(content.Length);
        board.Memory.TryWrite(address, content);
        return new RingPart(address, (uint)content.Length, Writable: false);
    }

    /// <summary>Takes guest memory for the device to write.</summary>
    /// <param name="length">Length in bytes, at least one.</param>
    /// <returns>A part for a chain.</returns>
    public RingPart Room(int length) => new(Allocate(length), (uint)length, Writable: true);

    /// <summary>What stands in a part.</summary>
    /// <param name="part">The part.</param>
    public byte[] Content(RingPart part)
    {
        byte[] content = new byte[part.Length];
        board.Memory.TryRead(part.Address, content);
        return content;
    }

    /// <summary>Makes one request and waits for its answer, running posted work meanwhile.</summary>
    /// <param name="queue">Number of the queue.</param>
    /// <param name="readable">What the device reads.</param>
    /// <param name="writable">How much it may write.</param>
    /// <returns>The memory that it may write, and how much of it the device says it wrote.</returns>
    /// <exception cref="TimeoutException">There was no answer within 20 seconds.</exception>
    public (byte[] Content, uint Written) Request(int queue, ReadOnlySpan<byte> readable, int writable)
    {
        List<RingPart> parts = [];
        if (!readable.IsEmpty)
        {
            parts.Add(Place(readable));
        }

        if (writable > 0)
        {
            parts.Add(Room(writable));
        }

        Ring(queue).Add(parts);
        Notify(queue);
        UsedChain used = default;
        return board.RunPostedUntil(() => Ring(queue).TryTakeUsed(out used), TimeSpan.FromSeconds(20))
            ? (writable > 0 ? Content(parts[^1]) : [], used.Written)
            : throw new TimeoutException("The device did not use the chain.");
    }

    void IVirtioTransport.NotifyConfigurationChanged() => ConfigurationChanges++;

    void IVirtioTransport.RequireReset(string reason)
    {
        _queues.ForEach(queue => queue.Stop());
        _owner.RequireReset(reason);
    }

    /// <summary>What the queues tell.</summary>
    private sealed class Owner : IVirtqueueOwner
    {
        public int[] Interrupts { get; private set; } = [];

        public string? ResetReason { get; private set; }

        public bool MayAccessMemory => true;

        public void Begin(int queues)
        {
            Interrupts = new int[queues];
            ResetReason = null;
        }

        public void SignalUsed(int queue) => Interrupts[queue]++;

        public void RequireReset(string reason) => ResetReason ??= reason;
    }
}
