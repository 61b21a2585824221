namespace Vmm.Sdk;

/// <summary>
/// A queue of buffers from the driver (VIRTIO 1.2, 2.6). The host walks the rings, checks what stands in them, and
/// decides when an interrupt or a notification is due. Used under the device's gate only. Implemented by the host, so
/// it may gain members.
/// </summary>
public interface IVirtioQueue
{
    /// <summary>Number of the queue, from 0.</summary>
    int Index { get; }

    /// <summary>Number of entries, as the driver chose it.</summary>
    int Size { get; }

    /// <summary>Takes the next chain that the driver made available. A driver that breaks the rules gets no further: the host marks the device as needing a reset.</summary>
    /// <param name="chain">The chain; complete it exactly once, in any order, now or later.</param>
    /// <returns>False when there is none; <see cref="IVirtioDevice.QueueNotified"/> will be called when there is.</returns>
    bool TryTake([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out IVirtioChain? chain);
}

/// <summary>
/// One chain of descriptors: guest memory that the device reads, then guest memory that it writes. The pages that it may
/// write are marked dirty. The object belongs to the host again after <see cref="Complete"/>.
/// </summary>
public interface IVirtioChain
{
    /// <summary>What the driver wrote for the device, in order. No part is empty.</summary>
    IReadOnlyList<ReadOnlyMemory<byte>> Readable { get; }

    /// <summary>Where the device writes, in order. No part is empty.</summary>
    IReadOnlyList<Memory<byte>> Writable { get; }

    /// <summary>Gives the chain back to the driver and interrupts it if it wants that. Without effect once the queue is stopped.</summary>
    /// <param name="written">Bytes written, from the start of <see cref="Writable"/>.</param>
    void Complete(uint written);
}

/// <summary>The way back to the driver: a constructor parameter of virtio devices. Used under the device's gate only.</summary>
public interface IVirtioTransport
{
    /// <summary>Tells the driver that the device-specific configuration space has changed (VIRTIO 1.2, 2.5).</summary>
    void NotifyConfigurationChanged();

    /// <summary>Tells the driver that the device cannot go on until it is reset (DEVICE_NEEDS_RESET, 2.1.2). Until then no queue gives chains.</summary>
    /// <param name="reason">Why, for the person who runs the VM.</param>
    void RequireReset(string reason);
}
