using Vmm.Sdk;

namespace Vmm.Plugins.Hub;

/// <summary>What waits at one port for its receiver. A port that is full loses frames, as in any switch: one slow VM does not stop the others.</summary>
internal sealed class Port(int maximumFrameBytes)
{
    private const int Capacity = 256;

    private readonly Lock _lock = new();
    private readonly Queue<byte[]> _waiting = new();
    private FrameReceiver? _receiver;

    public void SetReceiver(FrameReceiver receiver)
    {
        lock (_lock)
        {
            _receiver = receiver;
        }
    }

    /// <summary>Hands a frame to the receiver, or keeps it until there is room.</summary>
    public void Deliver(ReadOnlySpan<byte> frame)
    {
        lock (_lock)
        {
            if (_receiver is null || frame.Length > maximumFrameBytes || (_waiting.Count == 0 && _receiver(frame)))
            {
                return;
            }

            if (_waiting.Count < Capacity)
            {
                _waiting.Enqueue(frame.ToArray());
            }
        }
    }

    /// <summary>Offers again what waits.</summary>
    public void Drain()
    {
        lock (_lock)
        {
            while (_waiting.TryPeek(out byte[]? frame) && _receiver!(frame))
            {
                _waiting.Dequeue();
            }
        }
    }
}
