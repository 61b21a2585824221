using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Vmm.Kernel;

/// <summary>
/// The device's side of a split virtqueue (VIRTIO 1.2, 2.7). Used under the device's gate; the driver's side runs at the
/// same time on other processors, so the two indexes are read and written atomically and in order.
/// </summary>
internal sealed class SplitVirtqueue : IVirtioQueue
{
    private const ushort NoInterrupt = 1;

    private readonly IGuestMemory _memory;
    private readonly IVirtqueueOwner _owner;
    private readonly VirtqueueLayout _layout;
    private readonly Memory<byte> _driver;
    private readonly Memory<byte> _device;
    private readonly int _longestChain;
    private readonly bool _eventIndex;
    private readonly bool _indirect;
    private readonly VirtioChain?[] _chains;
    private readonly Queue<ushort> _again = new();
    private ulong _order;
    private ushort _next;
    private ushort _used;
    private ushort _signalled;
    private bool _stopped;
    private bool _inNotification;

    private SplitVirtqueue(
        IGuestMemory memory, IVirtqueueOwner owner, int index, VirtqueueLayout layout, int longestChain, ulong features, Memory<byte> driver, Memory<byte> device)
    {
        _memory = memory;
        _owner = owner;
        _layout = layout;
        _driver = driver;
        _device = device;
        _longestChain = longestChain;
        _eventIndex = (features & VirtioFeatures.EventIndex) != 0;
        _indirect = (features & VirtioFeatures.IndirectDescriptors) != 0;
        _chains = new VirtioChain?[layout.Size];
        Index = index;
    }

    public int Index { get; }

    public int Size => _layout.Size;

    /// <summary>Chains that the device has taken and not given back.</summary>
    public int Outstanding { get; private set; }

    private ReadOnlySpan<byte> Driver => _driver.Span;

    /// <summary>Opens a queue where the driver put it.</summary>
    /// <param name="memory">Guest memory.</param>
    /// <param name="owner">The device.</param>
    /// <param name="index">Number of the queue.</param>
    /// <param name="layout">Where it is.</param>
    /// <param name="longestChain">Most descriptors in a chain.</param>
    /// <param name="features">What was negotiated.</param>
    /// <returns>Null when a part is misaligned or not in memory.</returns>
    public static SplitVirtqueue? Open(IGuestMemory memory, IVirtqueueOwner owner, int index, VirtqueueLayout layout, int longestChain, ulong features)
    {
        return layout.IsAligned
            && memory.TryPin(layout.Descriptors, layout.DescriptorsLength, GuestAccess.Read, out _)
            && memory.TryPin(layout.Driver, layout.DriverLength, GuestAccess.Read, out Memory<byte> driver)
            && memory.TryPin(layout.Device, layout.DeviceLength, GuestAccess.Write, out Memory<byte> device)
            ? new SplitVirtqueue(memory, owner, index, layout, longestChain, features, driver, device)
            : null;
    }

    public bool TryTake([NotNullWhen(true)] out IVirtioChain? chain)
    {
        chain = null;
        if (_stopped || !_owner.MayAccessMemory)
        {
            return false;
        }

        if (!_again.TryDequeue(out ushort head) && !TryNextHead(out head))
        {
            return false;
        }

        VirtioChain? taken = head < Size ? _chains[head] ??= new VirtioChain(this, head) : null;
        string? problem = taken switch
        {
            null => $"descriptor {head} is beyond its table of {Size}",
            { Taken: not 0 } => $"descriptor {head} is available a second time before it was used",
            _ => new DescriptorWalk(_memory, _layout, _longestChain, _indirect).Collect(taken),
        };
        if (problem is not null)
        {
            taken?.Clear();
            return Break(problem);
        }

        taken!.Taken = ++_order;
        Outstanding++;
        chain = taken;
        return true;
    }

    /// <summary>Lets the device work on the queue. One interrupt at the end speaks for everything that it completed.</summary>
    public void Notify(IVirtioDevice device)
    {
        _inNotification = true;
        try
        {
            device.QueueNotified(this);
        }
        finally
        {
            _inNotification = false;
            Signal();
        }
    }

    /// <summary>Gives no more chains and forgets what is completed later.</summary>
    public void Stop() => _stopped = true;

    public void Save(IStateWriter state)
    {
        // What the device works on is available again after a restore, in the same order and before anything newer.
        ushort[] open = [.. _chains.OfType<VirtioChain>().Where(chain => chain.Taken != 0).OrderBy(chain => chain.Taken).Select(chain => chain.Head), .. _again];
        state.UInt16(1, _next);
        state.UInt16(2, _used);
        state.UInt32(3, (uint)open.Length);
        state.Bytes(4, MemoryMarshal.AsBytes(open.AsSpan()));
    }

    public void Restore(IStateReader state)
    {
        _next = state.UInt16(1);
        _used = _signalled = state.UInt16(2);
        uint count = state.UInt32(3);
        if (count > (uint)Size)
        {
            throw new StateException($"Queue {Index} of {Size} entries has {count} chains in work.");
        }

        ushort[] open = new ushort[count];
        state.Bytes(4, MemoryMarshal.AsBytes(open.AsSpan()));
        foreach (ushort head in open)
        {
            _again.Enqueue(head);
        }
    }

    internal void Complete(VirtioChain chain, uint written)
    {
        if (chain.Taken == 0)
        {
            throw new InvalidOperationException($"A chain of queue {Index} was completed twice.");
        }

        chain.Taken = 0;
        Outstanding--;
        if (!_stopped && _owner.MayAccessMemory)
        {
            chain.MarkWritten(_memory, written);
            PutUsed(chain.Head, written);
        }

        chain.Clear();
        if (!_inNotification)
        {
            Signal();
        }
    }

    private bool TryNextHead(out ushort head)
    {
        head = 0;
        ushort available = ReadAvailableIndex();
        if (available == _next)
        {
            RequestNotification();
            available = ReadAvailableIndex();
        }

        int waiting = (ushort)(available - _next);
        if (waiting == 0)
        {
            return false;
        }

        if (waiting > Size)
        {
            return Break($"its available index is {waiting} ahead of a ring of {Size}");
        }

        head = BinaryPrimitives.ReadUInt16LittleEndian(Driver[(VirtqueueLayout.RingOffset + (2 * (_next & (Size - 1))))..]);
        _next++;
        return true;
    }

    /// <summary>
    /// Asks to be notified of the next chain (2.7.10). While chains are being taken avail_event stays behind, so a driver
    /// does not notify a device that is looking anyway.
    /// </summary>
    private void RequestNotification()
    {
        if (_eventIndex)
        {
            Volatile.Write(ref MemoryMarshal.AsRef<ushort>(_device.Span[_layout.AvailableEventOffset..]), _next);
            Interlocked.MemoryBarrier();
        }
    }

    private ushort ReadAvailableIndex() => Volatile.Read(ref MemoryMarshal.AsRef<ushort>(_driver.Span[VirtqueueLayout.IndexOffset..]));

    private void PutUsed(ushort head, uint written)
    {
        Span<byte> element = stackalloc byte[VirtqueueLayout.UsedElementLength];
        BinaryPrimitives.WriteUInt32LittleEndian(element, head);
        BinaryPrimitives.WriteUInt32LittleEndian(element[4..], written);
        _memory.TryWrite(_layout.Device + VirtqueueLayout.RingOffset + ((ulong)(_used & (Size - 1)) * VirtqueueLayout.UsedElementLength), element);
        _used++;
        Volatile.Write(ref MemoryMarshal.AsRef<ushort>(_device.Span[VirtqueueLayout.IndexOffset..]), _used);

        // The flags are always 0. They share a page with the index, which this marks dirty.
        _memory.TryWrite(_layout.Device + VirtqueueLayout.FlagsOffset, stackalloc byte[2]);
    }

    /// <summary>Interrupts the driver if it asked for that since the last time (2.7.7).</summary>
    private void Signal()
    {
        if (_stopped || _used == _signalled)
        {
            return;
        }

        Interlocked.MemoryBarrier();
        ushort last = _signalled;
        _signalled = _used;
        bool wanted = _eventIndex
            ? (ushort)(_used - BinaryPrimitives.ReadUInt16LittleEndian(Driver[_layout.UsedEventOffset..]) - 1) < (ushort)(_used - last)
            : (BinaryPrimitives.ReadUInt16LittleEndian(Driver[VirtqueueLayout.FlagsOffset..]) & NoInterrupt) == 0;
        if (wanted)
        {
            _owner.SignalUsed(Index);
        }
    }

    private bool Break(string problem)
    {
        _stopped = true;
        _owner.RequireReset($"queue {Index}: {problem}");
        return false;
    }
}
