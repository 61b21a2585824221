using Vmm.Sdk.Testing;

namespace Vmm.Kernel.Tests.Virtio;

/// <summary>Virtio over PCI (VIRTIO 1.2, 4.1) as a guest's driver meets it.</summary>
public sealed class VirtioPciTests : IDisposable
{
    private const ulong Buffer = 0x4000;
    private const byte Running = VirtioPciDriver.Acknowledge | VirtioPciDriver.Driver | VirtioPciDriver.FeaturesOk | VirtioPciDriver.DriverOk;
    private static readonly PciAddress Address = new(0, 3, 0);

    private readonly TestBench _bench = new();
    private readonly List<InterruptMessage> _messages = [];
    private readonly Pic _pic = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void The_function_shows_its_type_and_where_its_structures_are()
    {
        var (driver, _, _) = Plug();
        Assert.Equal(0x106A_1AF4u, driver.ReadConfiguration(0));
        Assert.Equal(0x00FF_0001u, driver.ReadConfiguration(8));
        Assert.Equal<uint>([1, 2, 3, 4, 5], [.. driver.Structures.Keys.Order()]);
        Assert.Equal(6u, driver.Structures[4].Length);
        Assert.Equal(2UL, driver.Read(1, 0x12, 2));
        driver.Write(1, 0x16, 2, 1);
        Assert.Equal(4UL, driver.Read(1, 0x18, 2));
        Assert.Equal(1UL, driver.Read(1, 0x1E, 2));
        driver.Write(1, 0x16, 2, 2);
        Assert.Equal(0UL, driver.Read(1, 0x18, 2));
    }

    [Fact]
    public void Features_of_device_and_host_are_offered_together()
    {
        var (driver, device, _) = Plug();
        Assert.Equal(5 | VirtioFeatures.OfHost, driver.OfferedFeatures());
        Assert.True(driver.Negotiate(1 | VirtioFeatures.Version1));
        Assert.Contains("features 100000001", device.Calls);
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(2 | VirtioFeatures.Version1)]
    [InlineData(VirtioFeatures.Version1 | (1UL << 33))]
    public void Features_without_version_1_or_that_were_not_offered_are_refused(ulong features)
    {
        var (driver, device, _) = Plug();
        Assert.False(driver.Negotiate(features));
        Assert.DoesNotContain(device.Calls, call => call.StartsWith("features", StringComparison.Ordinal));
    }

    [Fact]
    public void A_device_may_refuse_a_subset()
    {
        var (driver, _, _) = Plug(new VirtioTestDevice { OnFeatures = features => (features & 4) != 0 });
        Assert.False(driver.Negotiate(VirtioFeatures.Version1));
        Assert.True(driver.Negotiate(VirtioFeatures.Version1 | 4));
    }

    [Fact]
    public void The_device_gets_its_queues_when_the_driver_is_ready_and_not_before()
    {
        var (driver, device, _) = Plug();
        Assert.True(driver.Negotiate(VirtioFeatures.OfHost));
        DriverRing ring = new(_bench.Memory, 0x1000, 8);
        driver.SetQueue(0, 8, ring.Descriptors, ring.Driver, ring.Device);
        Assert.Equal(1UL, driver.Read(1, 0x1C, 2));
        driver.Notify(0);
        Assert.DoesNotContain("ready 0 of 8", device.Calls);
        driver.Status = Running;
        Assert.Equal(["ready 0 of 8", "notified 0"], device.Calls[^2..]);
        driver.Notify(0);
        Assert.Equal("notified 0", device.Calls[^1]);
        driver.Notify(1);
        Assert.DoesNotContain("notified 1", device.Calls);
    }

    [Fact]
    public void The_configuration_space_is_the_device_s()
    {
        var (driver, device, _) = Plug();
        Assert.Equal(0x0403_0201UL, driver.Read(4, 0, 4));
        Assert.Equal(6UL, driver.Read(4, 5, 1));
        driver.Write(4, 5, 1, 0x99);
        Assert.Equal(0x99, device.Configuration[5]);
        Assert.Equal(0UL, driver.Read(4, 4, 4));
        driver.Write(4, 8, 4, 1);
    }

    [Fact]
    public void Registers_are_reached_through_configuration_space_too()
    {
        var (driver, device, _) = Plug();
        uint window = driver.ConfigurationAccess;
        Point(0, 0x12, 2);
        Assert.Equal(2u, driver.ReadConfiguration(window + 16));
        Point(0, 0x2005, 1);
        driver.WriteConfiguration(window + 16, 0xFFFF_FF77);
        Assert.Equal(0x77, device.Configuration[5]);
        Assert.Equal(0x77u, driver.ReadConfiguration(window + 16));
        Point(0, 0x14, 1);
        driver.WriteConfiguration(window + 16, VirtioPciDriver.Acknowledge);
        Assert.Equal(VirtioPciDriver.Acknowledge, driver.Status);

        // What points nowhere reads as zeros.
        foreach ((uint bar, uint offset, uint length) in ((uint, uint, uint)[])[(1, 0x14, 1), (0, 0x14, 3), (0, 0x15, 2), (0, 0x4000, 4), (0, uint.MaxValue, 1)])
        {
            Point(bar, offset, length);
            Assert.Equal(0u, driver.ReadConfiguration(window + 16));
            driver.WriteConfiguration(window + 16, 0);
        }

        Assert.Equal(VirtioPciDriver.Acknowledge, driver.Status);

        void Point(uint bar, uint offset, uint length)
        {
            driver.WriteConfiguration(window + 4, bar);
            driver.WriteConfiguration(window + 8, offset);
            driver.WriteConfiguration(window + 12, length);
        }
    }

    [Fact]
    public void A_change_of_the_configuration_counts_and_interrupts()
    {
        var (driver, _, transport) = Plug();
        driver.Start(VirtioFeatures.OfHost);
        ulong before = driver.Read(1, 0x15, 1);
        transport.NotifyConfigurationChanged();
        Assert.Equal(before + 1, driver.Read(1, 0x15, 1));
        Assert.True(_pic.Lines[19]);
        Assert.Equal(2UL, driver.Read(3, 0, 1));
        Assert.False(_pic.Lines[19]);
    }

    [Fact]
    public void Without_messages_the_pin_is_raised_until_the_status_is_read()
    {
        var (driver, device, _) = Plug(Taking());
        DriverRing ring = driver.Start(VirtioFeatures.OfHost);
        ring.Add(new RingPart(Buffer, 1, true));
        driver.Notify(0);
        device.Taken[0].Complete(1);
        Assert.True(_pic.Lines[19]);
        Assert.Equal(1UL, driver.Read(3, 0, 1));
        Assert.False(_pic.Lines[19]);
        Assert.Equal(0UL, driver.Read(3, 0, 1));
    }

    [Fact]
    public void With_messages_each_queue_has_its_vector()
    {
        var (driver, device, transport) = Plug(Taking());
        driver.EnableMessages(3);
        DriverRing ring = driver.Start(VirtioFeatures.OfHost);
        driver.Write(1, 0x10, 2, 2);
        ring.Add(new RingPart(Buffer, 1, true));
        driver.Notify(0);
        device.Taken[0].Complete(1);
        Assert.Equal(0x41, Assert.Single(_messages).Vector);
        transport.NotifyConfigurationChanged();
        Assert.Equal(0x42, _messages[^1].Vector);
        Assert.False(_pic.Lines[19]);
    }

    [Fact]
    public void A_vector_that_there_is_not_reads_back_as_none()
    {
        var (driver, _, _) = Plug();
        driver.Write(1, 0x10, 2, 3);
        Assert.Equal(0xFFFFUL, driver.Read(1, 0x10, 2));
        driver.Write(1, 0x1A, 2, 2);
        Assert.Equal(2UL, driver.Read(1, 0x1A, 2));
    }

    [Theory]
    [InlineData(8, 0x1008UL)]
    [InlineData(8, 0x10_0000UL)]
    [InlineData(5, 0x1000UL)]
    [InlineData(16, 0x1000UL)]
    [InlineData(0, 0x1000UL)]
    public void A_queue_that_cannot_be_needs_a_reset_and_the_driver_is_told(int size, ulong descriptors)
    {
        var (driver, device, _) = Plug();
        driver.Start(VirtioFeatures.OfHost);
        driver.SetQueue(1, 4, 0x3000, 0x3100, 0x3200);
        Assert.Contains("ready 1 of 4", device.Calls);
        Assert.True(driver.Negotiate(VirtioFeatures.OfHost));
        driver.SetQueue(0, size, descriptors, 0x2000, 0x3000);
        Assert.NotEqual(0, driver.Status & VirtioPciDriver.NeedsReset);
        driver.Status = 0;
        Assert.Equal(0, driver.Status);
    }

    [Fact]
    public void A_ring_that_breaks_the_rules_needs_a_reset_which_helps()
    {
        var (driver, device, _) = Plug(Taking());
        DriverRing ring = driver.Start(VirtioFeatures.OfHost);
        ring.MakeAvailable(999);
        driver.Notify(0);
        Assert.Equal(Running | VirtioPciDriver.NeedsReset, driver.Status);
        Assert.Equal(2UL, driver.Read(3, 0, 1));
        Assert.Contains(_bench.Log.Messages, message => message.Message.Contains("descriptor 999 is beyond its table of 8", StringComparison.Ordinal));

        _bench.Memory.TryWrite(0x1000, new byte[0x1000]);
        ring = driver.Start(VirtioFeatures.OfHost);
        ring.Add(new RingPart(Buffer, 1, true));
        driver.Notify(0);
        Assert.Single(device.Taken);
        Assert.Equal(Running, driver.Status);
    }

    [Fact]
    public void A_reset_ends_when_the_device_has_given_everything_back()
    {
        var (driver, device, _) = Plug(Taking());
        DriverRing ring = driver.Start(VirtioFeatures.OfHost);
        ring.Add(new RingPart(Buffer, 1, true));
        driver.Notify(0);
        driver.Status = 0;
        Assert.Equal(["stopped 0", "reset Device"], device.Calls[^2..]);
        Assert.NotEqual(0, driver.Status);
        device.Taken[0].Complete(1);
        Assert.Equal(0, driver.Status);
        Assert.False(ring.TryTakeUsed(out _));
    }

    [Fact]
    public void One_queue_can_be_reset_and_enabled_again()
    {
        var (driver, device, _) = Plug(Taking());
        DriverRing ring = driver.Start(VirtioFeatures.OfHost);
        ring.Add(new RingPart(Buffer, 1, true));
        driver.Notify(0);
        driver.Write(1, 0x3A, 2, 1);
        Assert.Equal("stopped 0", device.Calls[^1]);
        Assert.Equal(1UL, driver.Read(1, 0x3A, 2));
        device.Taken[0].Complete(0);
        Assert.Equal(0UL, driver.Read(1, 0x3A, 2));
        Assert.Equal(0UL, driver.Read(1, 0x1C, 2));
        ring = new(_bench.Memory, 0x2000, 4);
        driver.SetQueue(0, 4, ring.Descriptors, ring.Driver, ring.Device);
        Assert.Equal(["ready 0 of 4", "notified 0"], device.Calls[^2..]);
    }

    [Fact]
    public void A_driver_that_is_ready_too_early_must_reset()
    {
        var (driver, device, _) = Plug();
        driver.Status = VirtioPciDriver.Acknowledge | VirtioPciDriver.Driver | VirtioPciDriver.DriverOk;
        Assert.NotEqual(0, driver.Status & VirtioPciDriver.NeedsReset);
        Assert.DoesNotContain(device.Calls, call => call.StartsWith("ready", StringComparison.Ordinal));
    }

    [Fact]
    public void Saved_and_restored_the_device_goes_on_where_it_was()
    {
        var (driver, device, transport) = Plug(Taking());
        DriverRing ring = driver.Start(VirtioFeatures.OfHost);
        ushort head = ring.Add(new RingPart(Buffer, 1, true));
        driver.Notify(0);
        Assert.Single(device.Taken);
        device.Configuration[0] = 77;
        StateWriter writer = new();
        transport.Save(writer);

        VirtioTestDevice second = Taking();
        VirtioPciFunction target = PlugSecond(second, out PostingContext posting);
        target.Restore(new StateReader(writer.ToArray(), 1, "virtio"));
        Assert.Equal(77, second.Configuration[0]);
        Assert.Empty(second.Taken);
        posting.RunPosted();
        Assert.Contains("ready 0 of 8", second.Calls);
        Assert.Single(second.Taken).Complete(1);
        Assert.True(ring.TryTakeUsed(out UsedChain used));
        Assert.Equal(head, used.Head);

        StateWriter again = new();
        transport.Save(again);
        Assert.Equal(writer.ToArray(), again.ToArray());
    }

    [Fact]
    public void Hostile_state_is_refused()
    {
        var (_, _, transport) = Plug();
        StateWriter writer = new();
        writer.Section(1, section => section.UInt8(1, 0));
        writer.Section(2, section =>
        {
            section.UInt8(1, Running);
            section.UInt64(2, 1UL << 20);
        });
        Assert.Throws<StateException>(() => transport.Restore(new StateReader(writer.ToArray(), 1, "virtio")));
    }

    [Fact]
    public void An_impossible_identity_is_refused_with_the_reason()
    {
        var exception = Assert.Throws<DeviceConfigurationException>(() => Plug(new VirtioTestDevice { Identity = new(42, 0, 0, 0, [12]) }));
        Assert.Contains("not a power of two", exception.Message);
    }

    [Fact]
    public void Random_register_accesses_harm_nobody()
    {
        var (driver, _, _) = Plug(Taking());
        var random = new Random(20261126);
        for (int i = 0; i < 100_000; i++)
        {
            uint structure = (uint)random.Next(1, 5);
            int width = 1 << random.Next(4);
            uint offset = (uint)random.Next(0x40);
            if (random.Next(3) == 0)
            {
                driver.Read(structure, offset, width);
            }
            else
            {
                driver.Write(structure, offset, width, (ulong)random.NextInt64() >> random.Next(64));
            }
        }

        Assert.DoesNotContain(_bench.Log.Messages, message => message.Level == DeviceLogLevel.Error);
    }

    private static VirtioTestDevice Taking()
    {
        VirtioTestDevice? device = null;
        return device = new VirtioTestDevice { OnNotified = queue => device!.Take(queue) };
    }

    private (VirtioPciDriver Driver, VirtioTestDevice Device, VirtioPciFunction Transport) Plug(VirtioTestDevice? device = null)
    {
        device ??= new VirtioTestDevice();
        _bench.Machine.CreateDeviceContext("pic").Interrupts.AttachController(_pic);
        _bench.Machine.Interrupts.Deliver = _messages.Add;
        DeviceContext context = _bench.Machine.CreateDeviceContext("virtio");
        VirtioPciFunction transport = new(context);
        transport.Carry(device);
        transport.Plug(_bench.Machine.Pci.CreateSlot(Address, context, interruptPin: 1, interruptLine: 19));
        _bench.Machine.AddDevice("virtio", "test", transport, context);
        _bench.Machine.AttachDevices();
        return (new VirtioPciDriver(_bench.Machine, Address), device, transport);
    }

    private VirtioPciFunction PlugSecond(VirtioTestDevice device, out PostingContext posting)
    {
        DeviceContext context = _bench.Machine.CreateDeviceContext("copy");
        PciSlot slot = _bench.Machine.Pci.CreateSlot(new PciAddress(0, 4, 0), context, interruptPin: 1, interruptLine: 20);
        posting = new PostingContext(context);
        VirtioPciFunction transport = new(posting);
        transport.Carry(device);
        transport.Plug(slot);
        transport.Attach();
        transport.Reset(ResetKind.PowerOn);
        _bench.Machine.Pci.Write(new PciAddress(0, 4, 0), 4, AccessWidth.Word, 4);
        return transport;
    }

    private sealed class Pic : IInterruptController
    {
        public bool[] Lines { get; } = new bool[32];

        public void SetLine(int line, bool asserted) => Lines[line] = asserted;
    }

    /// <summary>A context whose posted work waits for the test.</summary>
    private sealed class PostingContext(IDeviceContext inner) : IDeviceContext
    {
        private readonly Queue<Action> _posted = new();

        public string Name => inner.Name;

        public IPortSpace Ports => inner.Ports;

        public IMmioSpace Mmio => inner.Mmio;

        public IInterruptFabric Interrupts => inner.Interrupts;

        public IVirtualClock Clock => inner.Clock;

        public IGuestMemory Memory => inner.Memory;

        public IDeviceLog Log => inner.Log;

        public void Post(Action work) => _posted.Enqueue(work);

        public void RunPosted()
        {
            while (_posted.TryDequeue(out Action? work))
            {
                work();
            }
        }
    }
}
