using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm.Interrupts;

/// <summary>
/// The split irqchip: local APICs in KVM, every other interrupt controller outside of it. Interrupts come as messages,
/// from any thread, directly or through routes whose sources are event descriptors.
/// </summary>
internal sealed class SplitIrqchip : IEngineInterrupts, IDisposable
{
    // KVM tells of the end of an interrupt when its vector is that of a level-triggered route below this number. Which pin
    // of an I/O APIC has which vector is not known here: each vector from 16 up has a route for its ends, on all
    // processors. KVM counts these routes in eight bits.
    private const int FirstVector = 16, EndRoutes = 256 - FirstVector;

    private const uint LevelTriggered = 1 << 15;
    private const ulong ToEverybody = 0xFEEF_F000;

    private readonly KvmMachine _machine;
    private readonly RouteTable _routes;
    private readonly Lock _starting = new();
    private NotificationThread? _notifications;
    private readonly bool[] _endsTold = new bool[EndRoutes];

    /// <summary>Turns the local APICs of a VM on, before its first processor is made.</summary>
    public SplitIrqchip(KvmMachine machine)
    {
        _machine = machine;
        if (machine.Device.Check(KvmCapability.SplitIrqchip) == 0)
        {
            throw new KvmException($"{KvmName.Of(KvmCapability.SplitIrqchip)} is missing: KVM cannot model the local APICs alone.");
        }

        machine.Enable(KvmCapability.SplitIrqchip, EndRoutes);
        HasTimestampDeadline = machine.Device.Check(KvmCapability.TscDeadlineTimer) > 0;
        _routes = new RouteTable(machine.Vm, EndRoutes, machine.Device.Check(KvmCapability.IrqRouting));
    }

    public bool HasTimestampDeadline { get; }

    public void Send(ulong address, uint data)
    {
        if ((data & LevelTriggered) != 0)
        {
            TellEnds((byte)data);
        }

        // A message that addresses nobody is an error to KVM and lost to hardware.
        var message = new KvmMsi { AddressLow = (uint)address, AddressHigh = (uint)(address >> 32), Data = data };
        _machine.Vm.Try(KvmRequest.SignalMsi, ref message);
    }

    public IMessageRoute? CreateRoute(ulong address, uint data) => _routes.Create(new InterruptMessage(address, data));

    public IDisposable? Listen(ulong address, int width, Action written)
    {
        lock (_starting)
        {
            _notifications ??= NotificationThread.TryStart();
        }

        return _notifications is { } thread ? WriteNotification.Create(_machine.Vm, thread, address, width, written) : null;
    }

    /// <summary>Sees to it that ends of level-triggered interrupts with a vector exit.</summary>
    public void TellEnds(byte vector)
    {
        if (vector >= FirstVector && !Volatile.Read(ref _endsTold[vector - FirstVector]))
        {
            _routes.Set((uint)vector - FirstVector, new InterruptMessage(ToEverybody, vector | LevelTriggered));
            Volatile.Write(ref _endsTold[vector - FirstVector], true);
        }
    }

    public void Dispose()
    {
        _routes.Dispose();
        _notifications?.Dispose();
    }
}

/// <summary>An interrupt message as a device writes it (SDM Vol. 3A 11.11).</summary>
/// <param name="Address">0xFEE00000 with destination and modes.</param>
/// <param name="Data">Vector, delivery mode, trigger.</param>
internal readonly record struct InterruptMessage(ulong Address, uint Data);
