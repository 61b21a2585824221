using Vmm.Plugins.Uart16550;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.Uart16550;

public sealed class Uart16550Tests
{
    private const ushort Base = 0x3f8;
    private const ushort Ier = Base + 1;
    private const ushort Iir = Base + 2;
    private const ushort Fcr = Base + 2;
    private const ushort Lcr = Base + 3;
    private const ushort Mcr = Base + 4;
    private const ushort Lsr = Base + 5;
    private const ushort Msr = Base + 6;
    private const ushort Scr = Base + 7;

    private readonly FakeBoard _board = new();
    private readonly Uart16550Device _uart;

    public Uart16550Tests() => _uart = _board.Start(new Uart16550Device(new Uart16550Options(), _board, _board.Channel));

    private FakePortSpace Ports => _board.Ports;

    private bool Interrupting => _board.Interrupts[4].Asserted;

    [Fact]
    public void Registers_have_their_reset_values()
    {
        Assert.Equal(0x00, Ports.In8(Ier));
        Assert.Equal(0x01, Ports.In8(Iir));
        Assert.Equal(0x00, Ports.In8(Lcr));
        Assert.Equal(0x00, Ports.In8(Mcr));
        Assert.Equal(0x60, Ports.In8(Lsr));
        Assert.Equal(0xb0, Ports.In8(Msr));
        Assert.False(Interrupting);
    }

    [Fact]
    public void Written_bytes_leave_at_once()
    {
        foreach (var character in "hello")
        {
            Ports.Out8(Base, (byte)character);
            Assert.Equal(0x60, Ports.In8(Lsr));
        }

        Assert.Equal("hello", _board.Channel.SentText);
    }

    [Fact]
    public void The_divisor_hides_behind_the_latch_bit()
    {
        Ports.Out8(Lcr, 0x83);
        Ports.Out8(Base, 0x0c);
        Ports.Out8(Ier, 0x01);
        Assert.Equal(0x0c, Ports.In8(Base));
        Assert.Equal(0x01, Ports.In8(Ier));
        Ports.Out8(Lcr, 0x03);
        Assert.Equal(0x00, Ports.In8(Ier));
        Assert.Empty(_board.Channel.Sent);
    }

    [Fact]
    public void The_autoconfiguration_of_Linux_finds_a_16550A()
    {
        // The order of drivers/tty/serial/8250/8250_port.c: autoconfig.
        Ports.Out8(Ier, 0x00);
        Assert.Equal(0x00, Ports.In8(Ier) & 0x0f);
        Ports.Out8(Ier, 0x0f);
        Assert.Equal(0x0f, Ports.In8(Ier));
        Ports.Out8(Ier, 0x00);
        Ports.Out8(Mcr, 0x1a);
        Assert.Equal(0x90, Ports.In8(Msr) & 0xf0);
        Ports.Out8(Mcr, 0x00);
        Ports.Out8(Lcr, 0xbf);
        Ports.Out8(Iir, 0x00);
        Ports.Out8(Lcr, 0x00);
        Ports.Out8(Fcr, 0x01);
        Assert.Equal(3, Ports.In8(Iir) >> 6);
        Ports.Out8(Lcr, 0x80);
        Assert.NotEqual(0, Ports.In8(Iir));
        Ports.Out8(Lcr, 0x00);
        Ports.Out8(Fcr, 0x21);
        Assert.Equal(6, Ports.In8(Iir) >> 5);
        Ports.Out8(Ier, 0x40);
        Assert.Equal(0, Ports.In8(Ier));
    }

    [Fact]
    public void Enabling_the_transmitter_interrupt_raises_it_and_reading_its_identification_ends_it()
    {
        Ports.Out8(Ier, 0x02);
        Assert.True(Interrupting);
        Assert.Equal(0x02, Ports.In8(Iir));
        Assert.False(Interrupting);
        Assert.Equal(0x01, Ports.In8(Iir));
        Ports.Out8(Ier, 0x00);
        Ports.Out8(Ier, 0x02);
        Assert.Equal(0x02, Ports.In8(Iir));
    }

    [Fact]
    public void Each_transmitted_byte_makes_an_interrupt_edge()
    {
        Ports.Out8(Ier, 0x02);
        var edges = _board.Interrupts[4].RisingEdges;
        Ports.Out8(Base, 1);
        Ports.Out8(Base, 2);
        Assert.Equal(edges + 2, _board.Interrupts[4].RisingEdges);
    }

    [Fact]
    public void Without_fifo_one_byte_is_taken_and_the_others_wait_outside()
    {
        Ports.Out8(Ier, 0x01);
        _board.Channel.Receive("abc");
        Assert.Equal(2, _board.Channel.Waiting);
        Assert.True(Interrupting);
        Assert.Equal(0x04, Ports.In8(Iir));
        Assert.Equal(0x61, Ports.In8(Lsr));
        Assert.Equal((byte)'a', Ports.In8(Base));
        Assert.Equal((byte)'b', Ports.In8(Base));
        Assert.Equal((byte)'c', Ports.In8(Base));
        Assert.Equal(0, Ports.In8(Base));
        Assert.False(Interrupting);
    }

    [Theory]
    [InlineData(0x01, 1)]
    [InlineData(0x41, 4)]
    [InlineData(0x81, 8)]
    [InlineData(0xc1, 14)]
    public void The_receiver_interrupts_at_its_trigger_level(byte control, int level)
    {
        Ports.Out8(Fcr, control);
        Ports.Out8(Ier, 0x01);
        for (var i = 1; i < level; i++)
        {
            _board.Channel.Receive((byte)i);
            Assert.False(Interrupting);
        }

        _board.Channel.Receive(99);
        Assert.True(Interrupting);
        Assert.Equal(0xc4, Ports.In8(Iir));
        Ports.In8(Base);
        Assert.False(Interrupting);
    }

    [Fact]
    public void Below_the_trigger_level_the_timeout_interrupts_after_four_characters()
    {
        Ports.Out8(Lcr, 0x83);
        Ports.Out8(Base, 1);
        Ports.Out8(Lcr, 0x03);
        Ports.Out8(Fcr, 0x81);
        Ports.Out8(Ier, 0x01);
        _board.Channel.Receive("xy");
        var fourCharacters = 4L * 10 * 1_000_000_000 / 115_200;
        _board.Clock.Advance(fourCharacters - 10);
        Assert.False(Interrupting);
        _board.Clock.Advance(20);
        Assert.True(Interrupting);
        Assert.Equal(0xcc, Ports.In8(Iir));
        Assert.Equal((byte)'x', Ports.In8(Base));
        Assert.False(Interrupting);
        _board.Clock.Advance(fourCharacters + 10);
        Assert.Equal(0xcc, Ports.In8(Iir));
        Ports.In8(Base);
        Assert.Equal(0xc1, Ports.In8(Iir));
        Assert.Equal(0, _board.Clock.ArmedTimers);
    }

    [Fact]
    public void A_full_fifo_leaves_the_rest_outside_until_it_is_drained()
    {
        Ports.Out8(Fcr, 0x01);
        _board.Channel.Receive(new string('z', 40));
        Assert.Equal(24, _board.Channel.Waiting);
        for (var i = 0; i < 16; i++)
        {
            Assert.Equal((byte)'z', Ports.In8(Base));
        }

        Assert.Equal(8, _board.Channel.Waiting);
        Assert.Equal(0, Ports.In8(Lsr) & 0x02);
    }

    [Fact]
    public void Clearing_the_receiver_makes_room()
    {
        Ports.Out8(Fcr, 0x01);
        _board.Channel.Receive(new string('z', 20));
        Ports.Out8(Fcr, 0x03);
        Assert.Equal(0, _board.Channel.Waiting);
        Assert.Equal(0x61, Ports.In8(Lsr));
    }

    [Fact]
    public void Switching_the_fifo_off_clears_it()
    {
        Ports.Out8(Fcr, 0x01);
        _board.Channel.Receive("abc");
        Ports.Out8(Fcr, 0x00);
        Assert.Equal(0x60, Ports.In8(Lsr));
        Assert.Equal(0x01, Ports.In8(Iir));
    }

    [Fact]
    public void Loopback_feeds_the_receiver_and_reports_overruns()
    {
        Ports.Out8(Mcr, 0x10);
        Ports.Out8(Ier, 0x05);
        Ports.Out8(Base, 0x5a);
        Assert.Equal(0x04, Ports.In8(Iir));
        Ports.Out8(Base, 0x5b);
        Assert.Equal(0x06, Ports.In8(Iir));
        Assert.Equal(0x63, Ports.In8(Lsr));
        Assert.Equal(0x61, Ports.In8(Lsr));
        Assert.Equal(0x5a, Ports.In8(Base));
        Assert.Empty(_board.Channel.Sent);
    }

    [Fact]
    public void In_loopback_the_outside_waits()
    {
        Ports.Out8(Mcr, 0x10);
        _board.Channel.Receive("q");
        Assert.Equal(0x60, Ports.In8(Lsr));
        Ports.Out8(Mcr, 0x00);
        Assert.Equal((byte)'q', Ports.In8(Base));
    }

    [Theory]
    [InlineData(0x11, 0x20)]
    [InlineData(0x12, 0x10)]
    [InlineData(0x14, 0x40)]
    [InlineData(0x18, 0x80)]
    public void In_loopback_each_modem_output_is_one_modem_input(byte control, byte status)
    {
        Ports.Out8(Mcr, control);
        Assert.Equal(status, Ports.In8(Msr) & 0xf0);
    }

    [Fact]
    public void A_changed_modem_input_interrupts_until_the_status_is_read()
    {
        Ports.Out8(Ier, 0x08);
        Ports.Out8(Mcr, 0x1b);
        Assert.False(Interrupting);
        Ports.Out8(Mcr, 0x19);
        Assert.Equal(0x00, Ports.In8(Iir));
        Assert.Equal(0xa1, Ports.In8(Msr));
        Assert.False(Interrupting);
        Assert.Equal(0xa0, Ports.In8(Msr));
    }

    [Fact]
    public void The_ring_indicator_counts_its_trailing_edge_only()
    {
        Ports.Out8(Mcr, 0x1b);
        Ports.Out8(Mcr, 0x1f);
        Assert.Equal(0, Ports.In8(Msr) & 0x04);
        Ports.Out8(Mcr, 0x1b);
        Assert.Equal(0x04, Ports.In8(Msr) & 0x04);
    }

    [Fact]
    public void The_scratch_register_survives_a_system_reset_of_the_rest()
    {
        Ports.Out8(Scr, 0xa5);
        Ports.Out8(Ier, 0x0f);
        Ports.Out8(Fcr, 0x01);
        _uart.Reset(ResetKind.System);
        Assert.Equal(0xa5, Ports.In8(Scr));
        Assert.Equal(0x01, Ports.In8(Iir));
        Assert.False(Interrupting);
    }

    [Fact]
    public void State_survives_with_bytes_and_a_timeout_under_way()
    {
        Ports.Out8(Fcr, 0x81);
        Ports.Out8(Ier, 0x01);
        Ports.Out8(Scr, 7);
        _board.Channel.Receive("abc");
        _board.Clock.Advance(1000);
        var other = new FakeBoard();
        other.Clock.Advance(1000);
        var fresh = other.Start(new Uart16550Device(new Uart16550Options(), other, other.Channel));
        StateRoundTrip.Check(_uart, fresh);
        other.Clock.Advance(10_000_000);
        Assert.True(other.Interrupts[4].Asserted);
        Assert.Equal(0xcc, other.Ports.In8(Iir));
        Assert.Equal((byte)'a', other.Ports.In8(Base));
    }

    [Fact]
    public void A_full_receiver_with_its_fifo_off_is_refused()
    {
        Ports.Out8(Fcr, 0x01);
        _board.Channel.Receive("abc");
        var state = StateRecord.Save(_uart);
        state.SectionAt(11).Replace(1, 0);
        Assert.Throws<StateException>(() => state.Restore(_uart));
    }

    [Fact]
    public void Options_come_from_text()
    {
        var options = (Uart16550Options)new OptionBinder().Bind(typeof(Uart16550Options), new FakeOptions("port=0x2f8,irq=3"));
        var board = new FakeBoard();
        board.Start(new Uart16550Device(options, board, board.Channel));
        board.Ports.Out8(0x2f9, 0x02);
        Assert.True(board.Interrupts[3].Asserted);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void No_access_makes_it_throw(int seed)
    {
        _board.Channel.Receive(new string('x', 5000));
        RegisterFuzz.Run(_board, seed, 50_000);
    }
}
