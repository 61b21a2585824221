namespace Vmm.Kernel.Tests;

public sealed class PciTests : IDisposable
{
    private static readonly PciAddress Address = new(0, 3, 0);

    private readonly TestBench _bench = new();
    private readonly Function _function = new();
    private readonly Pic _pic = new();

    public PciTests()
    {
        DeviceContext pic = _bench.Machine.CreateDeviceContext("pic");
        pic.Interrupts.AttachController(_pic);
        DeviceContext context = _bench.AddDevice("nic", _ => _function);
        _function.Slot = _bench.Machine.Pci.CreateSlot(Address, context, interruptPin: 1, interruptLine: 19);
        _bench.Machine.AttachDevices();
    }

    private IPciConfigurationSpace Space => _bench.Machine.Pci;

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void The_header_shows_the_identity_and_the_pin()
    {
        Assert.Equal(0x5678_1234u, Read(0));
        Assert.Equal(0x0200_0007u, Read(8));
        Assert.Equal(0x0002_0001u, Read(0x2C));
        Assert.Equal(1u, Read(0x3C) >> 8 & 0xFF);
    }

    [Fact]
    public void A_function_that_is_not_there_reads_as_all_ones()
    {
        Assert.Equal(0xFFFF_FFFFu, Space.Read(new PciAddress(0, 4, 0), 0, AccessWidth.DoubleWord));
        Assert.Equal(0xFFu, Space.Read(new PciAddress(1, 0, 0), 0, AccessWidth.Byte));
        Space.Write(new PciAddress(9, 0, 0), 0, AccessWidth.DoubleWord, 1);
    }

    [Fact]
    public void A_second_function_at_one_address_is_refused_with_both_names()
    {
        var exception = Assert.Throws<InvalidOperationException>(() =>
            _bench.Machine.Pci.CreateSlot(Address, _bench.Machine.CreateDeviceContext("other"), 0, 0));
        Assert.Contains("'nic'", exception.Message);
        Assert.Contains("'other'", exception.Message);
    }

    [Fact]
    public void Sizing_a_bar_gives_its_length_and_type()
    {
        Write(0x10, 0xFFFF_FFFF);
        Write(0x14, 0xFFFF_FFFF);
        Assert.Equal(0xFFFF_F004u, Read(0x10));
        Assert.Equal(0xFFFF_FFFFu, Read(0x14));
        Write(0x18, 0xFFFF_FFFF);
        Assert.Equal(0xFFFF_FFE1u, Read(0x18));
        Assert.Equal(0u, Read(0x24));
    }

    [Fact]
    public void A_bar_answers_where_it_was_programmed_while_decoding_is_on()
    {
        Write(0x10, 0x4000_0000);
        Write(0x14, 0x1);
        Write(0x18, 0xC000);
        Assert.Equal(ulong.MaxValue >> 32, _bench.Machine.Mmio.Read(0x1_4000_0000, 4));
        Write(4, 3);
        Assert.Equal(0x77UL, _bench.Machine.Mmio.Read(0x1_4000_0000, 4));
        Assert.Equal(0x77u, _bench.Machine.Ports.Read(0xC010, 1));
        Write(4, 0);
        Assert.Equal(0xFFu, _bench.Machine.Ports.Read(0xC010, 1));
    }

    [Fact]
    public void Assigned_resources_do_not_overlap_and_decode()
    {
        _bench.Machine.Pci.AssignResources(0xC000_0000, 0xD000_0000, 0xC000);
        Assert.Equal(3u, Read(4) & 0xFFFF);
        ulong bar = Read(0x10) & ~0xFUL;
        Assert.Equal(0x77UL, _bench.Machine.Mmio.Read(bar, 4));
        Assert.Equal(19u, Read(0x3C) & 0xFF);
    }

    [Fact]
    public void A_window_that_is_too_small_is_refused() =>
        Assert.Throws<InvalidOperationException>(() => _bench.Machine.Pci.AssignResources(0xC000_0000, 0xC000_1000, 0xC000));

    [Fact]
    public void The_interrupt_pin_reaches_its_line_and_the_disable_bit_mutes_it()
    {
        _function.Slot!.InterruptPin.Set(true);
        Assert.True(_pic.Lines[19]);
        Assert.Equal(8u, Read(4) >> 16 & 8);
        Write(4, 0x400);
        Assert.False(_pic.Lines[19]);
        Write(4, 0);
        Assert.True(_pic.Lines[19]);
        _function.Slot.InterruptPin.Set(false);
        Assert.False(_pic.Lines[19]);
    }

    [Fact]
    public void A_faulted_function_is_an_empty_slot()
    {
        Write(4, 3);
        _function.Slot!.InterruptPin.Set(true);
        _bench.Machine.Pci.Slots.First().Owner.Fault("a test", new InvalidOperationException());
        Assert.False(_pic.Lines[19]);
        Assert.Equal(0xFFFF_FFFFu, Read(0));
        Write(4, 0);
        Assert.Equal(0xFFFF_FFFFu, Read(4));
    }

    [Fact]
    public void Msix_sends_its_message_and_keeps_pending_bits_while_masked()
    {
        var sent = new List<InterruptMessage>();
        _bench.Machine.Interrupts.Deliver = sent.Add;
        uint capability = Read(0x34) & 0xFF;
        Assert.Equal(0x11u, Read(capability) & 0xFF);
        Assert.Equal(3u, Read(capability) >> 16 & 0x7FF);
        ulong table = 0xC000_0000;
        Write(0x1C, (uint)table);
        Write(4, 6);
        Assert.False(_function.Messages!.Enabled);
        Write(capability, 0x8000_0000);
        Assert.True(_function.Messages.Enabled);
        _bench.Machine.Mmio.Write(table + 16, 4, 0xFEE0_0000);
        _bench.Machine.Mmio.Write(table + 24, 4, 0x4041);
        _function.Messages.Signal(1);
        Assert.Empty(sent);
        uint pendingOffset = Read(capability + 8) & ~7u;
        Assert.Equal(2UL, _bench.Machine.Mmio.Read(table + pendingOffset, 8));
        _bench.Machine.Mmio.Write(table + 28, 4, 0);
        Assert.Equal(0x41, Assert.Single(sent).Vector);
        Assert.Equal(0UL, _bench.Machine.Mmio.Read(table + pendingOffset, 8));
        _function.Messages.Signal(1);
        Assert.Equal(2, sent.Count);
    }

    [Fact]
    public void A_bar_that_is_no_power_of_two_or_taken_is_refused()
    {
        IPciSlot slot = _function.Slot!;
        Assert.Throws<ArgumentException>(() => slot.DeclareMemoryBar(4, 24, AccessWidths.Any, new TestDevice()));
        Assert.Throws<ArgumentException>(() => slot.DeclareMemoryBar(1, 4096, AccessWidths.Any, new TestDevice(), is64Bit: false));
        Assert.Throws<ArgumentException>(() => slot.DeclareMemoryBar(5, 4096, AccessWidths.Any, new TestDevice()));
        Assert.Throws<ArgumentException>(() => slot.DeclarePortBar(4, 512, AccessWidths.Byte, new TestDevice()));
    }

    [Fact]
    public void A_reset_forgets_what_the_guest_programmed()
    {
        Write(0x18, 0xC000);
        Write(4, 7);
        Assert.True(_function.Slot!.BusMasterEnabled);
        _bench.Machine.Pci.Reset();
        Assert.Equal(1u, Read(0x18));
        Assert.False(_function.Slot.BusMasterEnabled);
        Assert.Equal(0xFFu, _bench.Machine.Ports.Read(0xC000, 1));
    }

    [Fact]
    public void Random_configuration_accesses_harm_nobody()
    {
        var random = new Random(20261123);
        AccessWidth[] widths = [AccessWidth.Byte, AccessWidth.Word, AccessWidth.DoubleWord];
        for (int i = 0; i < 50_000; i++)
        {
            AccessWidth width = widths[random.Next(3)];
            var offset = (ushort)(random.Next(4096) & ~((int)width - 1));
            Space.Write(Address, offset, width, (uint)random.NextInt64());
            Space.Read(Address, offset, width);
        }

        Assert.Equal(0x5678_1234u, Read(0));
        Assert.DoesNotContain(_bench.Log.Messages, m => m.Level == DeviceLogLevel.Error);
    }

    private uint Read(uint offset) => Space.Read(Address, (ushort)offset, AccessWidth.DoubleWord);

    private void Write(uint offset, uint value) => Space.Write(Address, (ushort)offset, AccessWidth.DoubleWord, value);

    private sealed class Function : IDevice, IPciFunction
    {
        public PciSlot? Slot { get; set; }

        public IMessageInterrupts? Messages { get; private set; }

        public PciIdentity Identity { get; } = new(0x1234, 0x5678, 0x020000, 7, 1, 2);

        public void Attach()
        {
            var registers = new TestDevice { OnRead = (_, _) => 0x77 };
            Slot!.DeclareMemoryBar(0, 4096, AccessWidths.DoubleWord, registers);
            Slot.DeclarePortBar(2, 32, AccessWidths.Byte, registers);
            Messages = Slot.DeclareMsiX(3, 4);
        }

        public void Reset(ResetKind kind)
        {
        }
    }

    private sealed class Pic : IInterruptController
    {
        public bool[] Lines { get; } = new bool[32];

        public void SetLine(int line, bool asserted) => Lines[line] = asserted;
    }
}
