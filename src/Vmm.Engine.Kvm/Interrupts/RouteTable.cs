using System.Runtime.InteropServices;
using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm.Interrupts;

/// <summary>What each global interrupt number of a VM sends. KVM takes the table as a whole.</summary>
/// <param name="vm">The VM.</param>
/// <param name="firstFree">The first number that <see cref="Create"/> gives out; lower ones belong to the owner.</param>
/// <param name="count">Numbers that KVM has.</param>
internal sealed unsafe class RouteTable(KvmDescriptor vm, int firstFree, int count) : IDisposable
{
    private const int HeaderSize = 8;

    private readonly Lock _gate = new();
    private readonly SortedDictionary<uint, InterruptMessage> _messages = [];
    private readonly HashSet<Route> _routes = [];

    /// <summary>Makes or changes the message of a number.</summary>
    public void Set(uint number, InterruptMessage message)
    {
        lock (_gate)
        {
            _messages[number] = message;
            if (!TryWrite())
            {
                throw new KvmException($"{KvmName.Of(KvmRequest.SetGsiRouting)} failed: {Marshal.GetLastPInvokeErrorMessage()}.");
            }
        }
    }

    /// <summary>Makes a route; null when there is no number, or no descriptor, left.</summary>
    public IMessageRoute? Create(InterruptMessage message)
    {
        lock (_gate)
        {
            var number = (uint)firstFree;
            while (_messages.ContainsKey(number))
            {
                number++;
            }

            if (number >= count || EventDescriptor.TryCreate() is not { } source)
            {
                return null;
            }

            _messages[number] = message;
            if (!TryWrite() || !TryConnect(source, number, 0))
            {
                _messages.Remove(number);
                source.Dispose();
                return null;
            }

            var route = new Route(this, number, source);
            _routes.Add(route);
            return route;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (Route route in _routes.ToArray())
            {
                route.Dispose();
            }
        }
    }

    private void Remove(Route route)
    {
        lock (_gate)
        {
            if (_routes.Remove(route))
            {
                // What the host refuses here goes with the VM.
                _ = TryConnect(route.Source, route.Number, KvmIrqfd.Deassign);
                _messages.Remove(route.Number);
                _ = TryWrite();
                route.Source.Dispose();
            }
        }
    }

    private bool TryConnect(EventDescriptor source, uint number, uint flags)
    {
        var request = new KvmIrqfd { Descriptor = source.Number, Gsi = number, Flags = flags };
        return vm.Try(KvmRequest.Irqfd, ref request) >= 0;
    }

    private bool TryWrite()
    {
        byte[] buffer = new byte[HeaderSize + (_messages.Count * sizeof(KvmMsiRoute))];
        fixed (byte* pointer = buffer)
        {
            *(uint*)pointer = (uint)_messages.Count;
            var entry = (KvmMsiRoute*)(pointer + HeaderSize);
            foreach ((uint number, InterruptMessage message) in _messages)
            {
                *entry++ = new KvmMsiRoute
                {
                    Gsi = number,
                    Type = KvmMsiRoute.MsiType,
                    AddressLow = (uint)message.Address,
                    AddressHigh = (uint)(message.Address >> 32),
                    Data = message.Data,
                };
            }

            return vm.Try(KvmRequest.SetGsiRouting, (nint)pointer) >= 0;
        }
    }

    /// <summary>An event descriptor that KVM takes signals of, and sends the message of its number.</summary>
    private sealed class Route(RouteTable table, uint number, EventDescriptor source) : IMessageRoute
    {
        public uint Number { get; } = number;

        public EventDescriptor Source { get; } = source;

        public void Signal() => Source.Signal();

        public void Change(ulong address, uint data) => table.Set(Number, new InterruptMessage(address, data));

        public void Dispose() => table.Remove(this);
    }
}
