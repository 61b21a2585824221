using Vmm.Plugins.Hpet;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.Hpet;

public sealed class HpetDeviceTests
{
    private const ulong Base = 0xfed0_0000;
    private const ulong Configuration = Base + 0x10;
    private const ulong Status = Base + 0x20;
    private const ulong Counter = Base + 0xf0;

    private const ulong Enable = 1, Legacy = 2;
    private const ulong Level = 1 << 1, Interrupt = 1 << 2, Periodic = 1 << 3, ValueSet = 1 << 6, Mode32 = 1 << 8;

    private readonly FakeBoard _board = new();

    public HpetDeviceTests() => _board.Start(new HpetDevice(new HpetOptions(), _board));

    [Fact]
    public void The_capabilities_show_a_10_ns_period_64_bits_legacy_replacement_and_three_timers()
    {
        Assert.Equal(0x0098_9680_8086_a201ul, Read(Base));
        Assert.Equal(0x8086_a201u, _board.Mmio.Read32(Base));
        Assert.Equal(10_000_000u, _board.Mmio.Read32(Base + 4));
    }

    [Fact]
    public void The_counter_stands_still_until_enabled_and_then_counts_every_10_ns()
    {
        _board.Clock.Advance(1_000);
        Assert.Equal(0ul, Read(Counter));

        Write(Configuration, Enable);
        _board.Clock.Advance(1_239);
        Assert.Equal(123ul, Read(Counter));

        Write(Configuration, 0);
        _board.Clock.Advance(1_000);
        Assert.Equal(123ul, Read(Counter));
    }

    [Fact]
    public void The_counter_is_written_and_read_in_halves_too()
    {
        _board.Mmio.Write32(Counter, 0x1111_2222);
        _board.Mmio.Write32(Counter + 4, 0x3333_4444);

        Assert.Equal(0x3333_4444_1111_2222ul, Read(Counter));
        Assert.Equal(0x3333_4444u, _board.Mmio.Read32(Counter + 4));
    }

    [Fact]
    public void Timer_configuration_shows_periodic_and_64_bit_capability_and_keeps_the_writable_bits()
    {
        Write(Timer(0), ulong.MaxValue);

        ulong value = Read(Timer(0));
        Assert.Equal(0x00f0_0000ul, value >> 32);
        Assert.Equal(Level | Interrupt | Periodic | (1 << 4) | (1 << 5) | Mode32 | (0x1f << 9), value & uint.MaxValue);
    }

    [Fact]
    public void A_one_shot_fires_once_when_the_counter_equals_the_comparator()
    {
        StartTimer(0, Interrupt | RouteTo(20), comparator: 500);

        _board.Clock.Advance(4_999);
        Assert.Equal(0, _board.Interrupts[20].RisingEdges);
        _board.Clock.Advance(1);
        Assert.Equal(1, _board.Interrupts[20].RisingEdges);
        _board.Clock.Advance(1_000_000_000);
        Assert.Equal(1, _board.Interrupts[20].RisingEdges);
        Assert.False(_board.Interrupts[20].Asserted);
        Assert.Equal(0ul, Read(Status));
    }

    [Fact]
    public void A_comparator_behind_a_64_bit_counter_does_not_fire()
    {
        Write(Counter, 1_000);
        StartTimer(0, Interrupt | RouteTo(20), comparator: 500);

        _board.Clock.Advance(100_000_000_000);

        Assert.Equal(0, _board.Interrupts[20].RisingEdges);
    }

    [Fact]
    public void A_32_bit_one_shot_fires_again_when_the_counter_comes_round()
    {
        StartTimer(0, Interrupt | Mode32 | RouteTo(20), comparator: 500);

        _board.Clock.Advance(5_000);
        Assert.Equal(1, _board.Interrupts[20].RisingEdges);
        _board.Clock.Advance((1L << 32) * 10);
        Assert.Equal(2, _board.Interrupts[20].RisingEdges);
    }

    [Fact]
    public void A_periodic_timer_accumulates_its_period_without_drift()
    {
        Write(Timer(0), Interrupt | Periodic | ValueSet | RouteTo(20));
        Write(Timer(0) + 8, 1_000);
        Write(Timer(0) + 8, 300);
        Write(Configuration, Enable);

        _board.Clock.Advance(10_000);
        Assert.Equal(1, _board.Interrupts[20].RisingEdges);
        Assert.Equal(1_300ul, Read(Timer(0) + 8));
        _board.Clock.Advance(3_000 * 999);
        Assert.Equal(1_000, _board.Interrupts[20].RisingEdges);
        Assert.Equal(1_000ul + (300 * 1_000), Read(Timer(0) + 8));
    }

    [Fact]
    public void Without_VAL_SET_a_periodic_write_changes_the_period_alone()
    {
        Write(Timer(0), Interrupt | Periodic | ValueSet | RouteTo(20));
        Write(Timer(0) + 8, 1_000);
        Assert.Equal(0ul, Read(Timer(0)) & ValueSet);
        Write(Timer(0) + 8, 200);

        Assert.Equal(1_000ul, Read(Timer(0) + 8));
    }

    [Fact]
    public void A_periodic_timer_wraps_at_32_bits_in_32_bit_mode()
    {
        Write(Counter, 0xffff_ff00);
        Write(Timer(1), Interrupt | Periodic | ValueSet | Mode32 | RouteTo(21));
        Write(Timer(1) + 8, 0xffff_fff0);
        Write(Timer(1) + 8, 0x20);
        Write(Configuration, Enable);

        _board.Clock.Advance(0xf0 * 10);

        Assert.Equal(1, _board.Interrupts[21].RisingEdges);
        Assert.Equal(0x10ul, Read(Timer(1) + 8));
        _board.Clock.Advance(0x20 * 10);
        Assert.Equal(2, _board.Interrupts[21].RisingEdges);
    }

    [Fact]
    public void A_level_triggered_timer_holds_its_line_until_its_status_is_cleared()
    {
        StartTimer(2, Interrupt | Level | RouteTo(23), comparator: 100);
        _board.Clock.Advance(1_000);

        Assert.True(_board.Interrupts[23].Asserted);
        Assert.Equal(1ul << 2, Read(Status));

        Write(Status, 1 << 2);
        Assert.False(_board.Interrupts[23].Asserted);
        Assert.Equal(0ul, Read(Status));
        _board.Clock.Advance(1_000);
        Assert.False(_board.Interrupts[23].Asserted);
    }

    [Fact]
    public void A_disabled_level_timer_sets_its_status_and_interrupts_when_enabled()
    {
        StartTimer(2, Level | RouteTo(22), comparator: 100);
        _board.Clock.Advance(1_000);
        Assert.Equal(1ul << 2, Read(Status));
        Assert.False(_board.Interrupts[22].Asserted);

        Write(Timer(2), Level | Interrupt | RouteTo(22));
        Assert.True(_board.Interrupts[22].Asserted);

        Write(Timer(2), Level | Interrupt | RouteTo(21));
        Assert.False(_board.Interrupts[22].Asserted);
        Assert.True(_board.Interrupts[21].Asserted);
    }

    [Fact]
    public void Legacy_replacement_gives_timers_0_and_1_the_lines_of_the_8254_and_the_real_time_clock()
    {
        Write(Timer(0), Interrupt | RouteTo(20));
        Write(Timer(0) + 8, 100);
        Write(Timer(1), Interrupt | RouteTo(20));
        Write(Timer(1) + 8, 200);
        Write(Configuration, Enable | Legacy);

        _board.Clock.Advance(2_000);

        Assert.Equal(1, _board.Interrupts[0].RisingEdges);
        Assert.Equal(1, _board.Interrupts[8].RisingEdges);
        Assert.Equal(0, _board.Interrupts[20].RisingEdges);
    }

    [Fact]
    public void Legacy_replacement_disconnects_the_8254_and_the_real_time_clock()
    {
        _board.Interrupts[0].Set(true);
        Write(Timer(0), Interrupt);
        Write(Timer(0) + 8, 100);

        Write(Configuration, Enable | Legacy);
        Assert.False(_board.Interrupts[0].Asserted);
        _board.Clock.Advance(1_000);
        Assert.Equal(2, _board.Interrupts[0].RisingEdges);

        Write(Configuration, Enable);
        Assert.True(_board.Interrupts[0].Asserted);
    }

    [Fact]
    public void A_route_to_an_input_that_the_timer_lacks_goes_nowhere()
    {
        StartTimer(0, Interrupt | Level | RouteTo(5), comparator: 100);

        _board.Clock.Advance(1_000);

        Assert.False(_board.Interrupts[5].Asserted);
        Assert.Equal(1ul, Read(Status));
    }

    [Fact]
    public void A_reset_stops_everything()
    {
        var board = new FakeBoard();
        var device = board.Start(new HpetDevice(new HpetOptions(), board));
        board.Mmio.Write64(Timer(2), Interrupt | Level | RouteTo(23));
        board.Mmio.Write64(Timer(2) + 8, 100);
        board.Mmio.Write64(Configuration, Enable);
        board.Clock.Advance(1_000);
        Assert.True(board.Interrupts[23].Asserted);

        device.Reset(ResetKind.System);

        Assert.False(board.Interrupts[23].Asserted);
        Assert.Equal(0ul, board.Mmio.Read64(Counter));
        Assert.Equal(ulong.MaxValue, board.Mmio.Read64(Timer(2) + 8));
        board.Clock.Advance(10_000);
        Assert.Equal(0ul, board.Mmio.Read64(Counter));
    }

    [Fact]
    public void A_restored_device_goes_on_where_the_saved_one_was()
    {
        var device = new HpetDevice(new HpetOptions { Address = Base + 0x1000 }, _board);
        _board.Start(device);
        Write(Timer(0) + 0x1000, Interrupt | Periodic | ValueSet | RouteTo(20));
        Write(Timer(0) + 0x1008, 1_000);
        Write(Timer(0) + 0x1008, 300);
        Write(Configuration + 0x1000, Enable);
        _board.Clock.Advance(11_000);
        var other = new FakeBoard();
        other.Clock.Advance(11_000);
        var fresh = other.Start(new HpetDevice(new HpetOptions(), other));

        StateRoundTrip.Check(device, fresh);

        other.Clock.Advance(2_000);
        Assert.Equal(1, other.Interrupts[20].RisingEdges);
        Assert.Equal(1_300ul, other.Mmio.Read64(Counter));
    }

    [Fact]
    public void More_comparators_can_be_configured()
    {
        var board = new FakeBoard();
        board.Start(new HpetDevice(new HpetOptions { Timers = 24 }, board));

        board.Mmio.Write64(Timer(23) + 8, 77);

        Assert.Equal(0x0098_9680_8086_b701ul, board.Mmio.Read64(Base));
        Assert.Equal(77ul, board.Mmio.Read64(Timer(23) + 8));
    }

    [Fact]
    public void A_comparator_that_is_not_there_reads_as_zero() =>
        Assert.Equal(0ul, Read(Timer(3)));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void No_access_makes_it_throw(int seed) => RegisterFuzz.Run(_board, seed, 20_000);

    private static ulong Timer(int timer) => Base + 0x100 + (0x20 * (ulong)timer);

    private static ulong RouteTo(int input) => (ulong)input << 9;

    private void StartTimer(int timer, ulong configuration, ulong comparator)
    {
        Write(Timer(timer), configuration);
        Write(Timer(timer) + 8, comparator);
        Write(Configuration, Enable);
    }

    private ulong Read(ulong address) => _board.Mmio.Read64(address);

    private void Write(ulong address, ulong value) => _board.Mmio.Write64(address, value);
}
