using System.Collections.Concurrent;

namespace Vmm.Plugins.Hub;

/// <summary>
/// One Ethernet segment: what a port sends, every other port gets. Segments are shared on purpose between all VMs of a
/// process that name them.
/// </summary>
internal sealed class Segment
{
    private static readonly ConcurrentDictionary<string, Segment> Named = new(StringComparer.Ordinal);

    private readonly Lock _change = new();
    private volatile Port[] _ports = [];

    public static Segment Of(string name) => Named.GetOrAdd(name, static _ => new Segment());

    public void Join(Port port)
    {
        lock (_change)
        {
            _ports = [.. _ports, port];
        }
    }

    public void Leave(Port port)
    {
        lock (_change)
        {
            _ports = [.. _ports.Where(other => other != port)];
        }
    }

    public void Send(Port sender, ReadOnlySpan<byte> frame)
    {
        foreach (Port port in _ports)
        {
            if (port != sender)
            {
                port.Deliver(frame);
            }
        }
    }
}
