namespace Vmm.Sdk;

/// <summary>Carries Ethernet frames between a network device and something outside the VM.</summary>
public interface INetworkBackend : IAsyncDisposable
{
    /// <summary>Largest frame in bytes, without frame check sequence.</summary>
    int MaximumFrameBytes { get; }

    /// <summary>Sends a frame. Callable from any thread; never blocks.</summary>
    /// <param name="frame">The frame, from destination address to payload.</param>
    /// <returns>False when there is no room; <paramref name="frame"/> was not taken, and <see cref="RoomAvailable"/> will be raised.</returns>
    bool TrySend(ReadOnlySpan<byte> frame);

    /// <summary>Raised, from any thread, when a refused sender may try again.</summary>
    event Action RoomAvailable;

    /// <summary>Sets who receives frames. Called from a thread of the backend, one call at a time.</summary>
    /// <param name="receiver">Takes a frame; false when it has no room: the frame is offered again after <see cref="ReceiverReady"/>.</param>
    void SetReceiver(FrameReceiver receiver);

    /// <summary>Tells the backend that the receiver has room again.</summary>
    void ReceiverReady();
}

/// <summary>Takes a frame that arrived from outside.</summary>
/// <param name="frame">The frame.</param>
/// <returns>False when there is no room for it.</returns>
public delegate bool FrameReceiver(ReadOnlySpan<byte> frame);
