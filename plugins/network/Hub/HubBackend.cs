using Vmm.Sdk;

namespace Vmm.Plugins.Hub;

/// <summary>A port of a segment that joins network devices inside this process.</summary>
[NetworkBackend("hub", Description = "Joins network devices in one process; segment=NAME")]
public sealed class HubBackend : INetworkBackend
{
    private const int HeaderBytes = 14;

    private readonly Segment _segment;
    private readonly Port _port;

    public HubBackend(HubOptions options)
    {
        MaximumFrameBytes = options.Mtu + HeaderBytes;
        _port = new Port(MaximumFrameBytes);
        _segment = Segment.Of(options.Segment);
        _segment.Join(_port);
    }

    /// <summary>Never raised: a hub takes every frame.</summary>
    public event Action RoomAvailable
    {
        add { }
        remove { }
    }

    public int MaximumFrameBytes { get; }

    public bool TrySend(ReadOnlySpan<byte> frame)
    {
        _segment.Send(_port, frame);
        return true;
    }

    public void SetReceiver(FrameReceiver receiver) => _port.SetReceiver(receiver);

    public void ReceiverReady() => _port.Drain();

    public ValueTask DisposeAsync()
    {
        _segment.Leave(_port);
        return ValueTask.CompletedTask;
    }
}
