namespace Vmm.Kernel;

/// <summary>What the driver sets for one queue (VIRTIO 1.2, 4.1.4.3), and the queue once it is enabled.</summary>
internal sealed class VirtqueueRegisters(int maximumSize)
{
    public int MaximumSize { get; } = maximumSize;

    public ushort Size { get; set; } = (ushort)maximumSize;

    public ushort Vector { get; set; } = VirtioInterrupts.NoVector;

    public ulong Descriptors { get; set; }

    public ulong Driver { get; set; }

    public ulong Device { get; set; }

    /// <summary>The queue while it is enabled.</summary>
    public SplitVirtqueue? Queue { get; set; }

    /// <summary>Whether the device knows the queue.</summary>
    public bool Ready { get; set; }

    public VirtqueueLayout Layout => new(Size, Descriptors, Driver, Device);

    public bool HasLegalSize => System.Numerics.BitOperations.IsPow2((int)Size) && Size <= MaximumSize;

    public void Reset()
    {
        Size = (ushort)MaximumSize;
        Vector = VirtioInterrupts.NoVector;
        Descriptors = Driver = Device = 0;
        Queue = null;
        Ready = false;
    }

    public void Save(IStateWriter state)
    {
        state.UInt16(1, Size);
        state.UInt16(2, Vector);
        state.UInt64(3, Descriptors);
        state.UInt64(4, Driver);
        state.UInt64(5, Device);
        if (Queue is { } queue)
        {
            state.Section(6, queue.Save);
        }
    }

    /// <summary>Reads the registers.</summary>
    /// <param name="state">The state.</param>
    /// <param name="open">Opens the queue at these registers.</param>
    public void Restore(IStateReader state, Func<VirtqueueRegisters, SplitVirtqueue> open)
    {
        Size = state.UInt16(1, (ushort)MaximumSize);
        Vector = state.UInt16(2, VirtioInterrupts.NoVector);
        Descriptors = state.UInt64(3);
        Driver = state.UInt64(4);
        Device = state.UInt64(5);
        state.Section(6, section =>
        {
            SplitVirtqueue queue = open(this);
            queue.Restore(section);
            Queue = queue;
        });
    }
}
