using Vmm.Sdk.Testing;

namespace Vmm.Kernel.Tests.Virtio;

/// <summary>Virtio notifications and MSI-X messages where the engine takes both without exits.</summary>
public sealed class EngineBypassTests : IDisposable
{
    private const ulong Bar = 0xC000_0000, NotifyStructure = 0x3000;
    private static readonly PciAddress Address = new(0, 3, 0);

    private readonly TestBench _bench = new(engineApics: true);
    private readonly VirtioTestDevice _device = new();
    private readonly VirtioPciDriver _driver;

    public EngineBypassTests()
    {
        DeviceContext context = _bench.Machine.CreateDeviceContext("virtio");
        VirtioPciFunction transport = new(context);
        transport.Carry(_device);
        transport.Plug(_bench.Machine.Pci.CreateSlot(Address, context, interruptPin: 1, interruptLine: 19));
        _bench.Machine.AddDevice("virtio", "test", transport, context);
        _bench.Machine.AttachDevices();
        _bench.Machine.Start();
        _driver = new VirtioPciDriver(_bench.Machine, Address);
    }

    private FakeInterrupts Interrupts => _bench.Engine.Machines[0].Interrupts!;

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Each_queue_has_a_notification_that_follows_its_base_address_register()
    {
        Assert.Equal([(Bar + NotifyStructure, 2), (Bar + NotifyStructure + 4, 2)], Places());
        _driver.WriteConfiguration(0x10, 0xD000_0000);
        Assert.Equal([(0xD000_0000 + NotifyStructure, 2), (0xD000_0000 + NotifyStructure + 4, 2)], Places());
        _driver.WriteConfiguration(4, 4);
        Assert.Empty(Places());
        _driver.WriteConfiguration(4, 6);
        Assert.Equal(2, Places().Length);
        _bench.Machine.Pci.Reset();
        Assert.Empty(Places());
    }

    [Fact]
    public void A_register_that_another_one_hides_has_no_notification()
    {
        DeviceContext other = _bench.Machine.CreateDeviceContext("other");
        other.Mmio.Claim("in the way", 0xD000_3000, 0x1000, AccessWidths.Any, new TestDevice());
        _driver.WriteConfiguration(0x10, 0xD000_0000);
        Assert.Empty(Places());
    }

    [Fact]
    public void A_notification_reaches_the_device_under_its_gate()
    {
        using var notified = new ManualResetEventSlim();
        _driver.Start(VirtioFeatures.Version1).Add(new RingPart(0x4000, 16, Writable: true));
        _device.OnNotified = _ => notified.Set();
        Interrupts.Listening.First().Written();
        Assert.True(notified.Wait(TimeSpan.FromSeconds(20)));
    }

    [Fact]
    public void A_vector_has_a_route_from_its_first_message_on()
    {
        IMessageInterrupts messages = Messages();
        Assert.Empty(Interrupts.Routes);
        messages.Signal(1);
        messages.Signal(1);
        FakeRoute route = Assert.Single(Interrupts.Routes);
        Assert.Equal((0xFEE0_0000UL, 0x41u), route.Message);
        Assert.Equal(2, route.Signals);
        Assert.Empty(Interrupts.Sent);
    }

    [Fact]
    public void A_route_follows_the_table()
    {
        IMessageInterrupts messages = Messages();
        messages.Signal(1);
        _bench.Machine.Mmio.Write(_driver.MessageBar + 24, 4, 0x55);
        messages.Signal(1);
        Assert.Equal((0xFEE0_0000UL, 0x55u), Assert.Single(Interrupts.Routes).Message);
    }

    [Fact]
    public void A_masked_vector_signals_its_route_when_it_is_unmasked()
    {
        IMessageInterrupts messages = Messages();
        messages.Signal(1);
        _bench.Machine.Mmio.Write(_driver.MessageBar + 28, 4, 1);
        messages.Signal(1);
        Assert.Equal(1, Interrupts.Routes[0].Signals);
        _bench.Machine.Mmio.Write(_driver.MessageBar + 28, 4, 0);
        Assert.Equal(2, Interrupts.Routes[0].Signals);
    }

    [Fact]
    public void A_message_that_is_no_ordinary_interrupt_goes_the_common_way()
    {
        IMessageInterrupts messages = Messages();
        _bench.Machine.Mmio.Write(_driver.MessageBar + 24, 4, 0xC055); // level-triggered
        messages.Signal(1);
        _bench.Machine.Mmio.Write(_driver.MessageBar + 16, 4, 0x1000); // to no local APIC
        messages.Signal(1);
        Assert.Empty(Interrupts.Routes);
        Assert.Equal((0xFEE0_0000UL, 0xC055u), Assert.Single(Interrupts.Sent));
    }

    [Fact]
    public void A_quiet_vm_keeps_its_message_in_the_kernel()
    {
        IMessageInterrupts messages = Messages();
        _bench.Machine.Pause();
        messages.Signal(1);
        Assert.Empty(Interrupts.Routes);
    }

    [Fact]
    public void Turning_messages_off_and_a_reset_give_the_routes_back()
    {
        Messages().Signal(1);
        _driver.WriteConfiguration(_driver.MessageControl, 0);
        Assert.True(Interrupts.Routes[0].IsDisposed);
        Messages().Signal(0);
        _bench.Machine.Pci.Reset();
        Assert.True(Interrupts.Routes[1].IsDisposed);
    }

    private (ulong Address, int Width)[] Places() => [.. Interrupts.Listening.Select(place => (place.Address, place.Width))];

    private IMessageInterrupts Messages()
    {
        _driver.EnableMessages(3);
        return _bench.Machine.Pci.Find(Address)!.Messages!;
    }
}
