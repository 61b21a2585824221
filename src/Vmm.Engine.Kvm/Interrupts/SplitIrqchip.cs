using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm.Interrupts;

/// <summary>
/// The split irqchip: local APICs in KVM, every other interrupt controller outside of it. Interrupts come as messages,
/// from any thread, directly or through routes whose sources are event descriptors.
/// </summary>
internal sealed class SplitIrqchip : IDisposable
{
    /// <summary>Pins of the I/O APIC outside, for which KVM reports the end of level-triggered interrupts.</summary>
    private const ulong IoApicPins = 24;

    private readonly KvmMachine _machine;
    private readonly Lock _gate = new();
    private readonly SortedDictionary<uint, MessageRoute> _routes = [];

    /// <summary>Turns the local APICs of a VM on, before its first processor is made.</summary>
    public SplitIrqchip(KvmMachine machine)
    {
        _machine = machine;
        if (machine.Device.Check(KvmCapability.SplitIrqchip) == 0)
        {
            throw new KvmException($"{KvmName.Of(KvmCapability.SplitIrqchip)} is missing: KVM cannot model the local APICs alone.");
        }

        machine.Enable(KvmCapability.SplitIrqchip, IoApicPins);
    }

    /// <summary>Delivers an interrupt message.</summary>
    /// <returns>Whether an APIC took it.</returns>
    public bool Signal(InterruptMessageAddress message)
    {
        var msi = new KvmMsi { AddressLow = (uint)message.Address, AddressHigh = (uint)(message.Address >> 32), Data = message.Data };
        return _machine.Vm.Request(KvmRequest.SignalMsi, ref msi) > 0;
    }

    /// <summary>Makes or changes a route: what a global interrupt number sends.</summary>
    public void Route(uint number, InterruptMessageAddress message)
    {
        lock (_gate)
        {
            _routes[number] = new MessageRoute(number, message);
            WriteRoutes();
        }
    }

    /// <summary>An event descriptor whose signals send the message of a route, past any exit.</summary>
    public EventDescriptor Connect(uint number)
    {
        var source = new EventDescriptor();
        var request = new KvmIrqfd { Descriptor = source.Number, Gsi = number };
        _machine.Vm.Request(KvmRequest.Irqfd, ref request);
        return source;
    }

    /// <summary>An event descriptor that a guest's write to an address or port signals, past any exit.</summary>
    /// <param name="place">Which writes.</param>
    public EventDescriptor Listen(NotificationPlace place)
    {
        var target = new EventDescriptor();
        Assign(place, target, 0);
        return target;
    }

    /// <summary>Ends what <see cref="Listen"/> began; writes exit again.</summary>
    public void Ignore(NotificationPlace place, EventDescriptor target) => Assign(place, target, KvmIoeventfd.Deassign);

    public void Dispose()
    {
        lock (_gate)
        {
            _routes.Clear();
        }
    }

    private void Assign(NotificationPlace place, EventDescriptor target, uint flags)
    {
        var request = new KvmIoeventfd
        {
            Address = place.Address,
            Length = (uint)place.Width,
            Descriptor = target.Number,
            DataMatch = place.Value ?? 0,
            Flags = flags | (place.IsPort ? KvmIoeventfd.Pio : 0) | (place.Value.HasValue ? KvmIoeventfd.Datamatch : 0),
        };
        _machine.Vm.Request(KvmRequest.Ioeventfd, ref request);
    }

    private unsafe void WriteRoutes()
    {
        const int HeaderSize = 8;
        byte[] buffer = new byte[HeaderSize + (_routes.Count * sizeof(KvmMsiRoute))];
        fixed (byte* pointer = buffer)
        {
            *(uint*)pointer = (uint)_routes.Count;
            var entry = (KvmMsiRoute*)(pointer + HeaderSize);
            foreach (MessageRoute route in _routes.Values)
            {
                *entry++ = new KvmMsiRoute
                {
                    Gsi = route.Number,
                    Type = KvmMsiRoute.MsiType,
                    AddressLow = (uint)route.Message.Address,
                    AddressHigh = (uint)(route.Message.Address >> 32),
                    Data = route.Message.Data,
                };
            }

            _machine.Vm.Request(KvmRequest.SetGsiRouting, (nint)pointer);
        }
    }

    private readonly record struct MessageRoute(uint Number, InterruptMessageAddress Message);
}

/// <summary>An interrupt message as a device writes it (SDM Vol. 3A 11.11).</summary>
/// <param name="Address">0xFEE00000 with destination and modes.</param>
/// <param name="Data">Vector, delivery mode, trigger.</param>
internal readonly record struct InterruptMessageAddress(ulong Address, uint Data);

/// <summary>Writes that signal an event descriptor.</summary>
/// <param name="Address">Port or guest-physical address.</param>
/// <param name="IsPort">Whether it is a port.</param>
/// <param name="Width">Width in bytes of the write; 0 for any.</param>
/// <param name="Value">The value written, or null for any.</param>
internal readonly record struct NotificationPlace(ulong Address, bool IsPort, int Width, ulong? Value = null);
