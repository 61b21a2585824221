using Vmm.Plugins.Pit8254;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.Pit8254;

public sealed class Pit8254Tests
{
    private const long Hertz = 1_193_182;

    private readonly FakeBoard _board = new();
    private readonly Pit8254Device _pit;

    public Pit8254Tests() => _pit = _board.Start(new Pit8254Device(new Pit8254Options(), _board));

    private FakePortSpace Ports => _board.Ports;

    private FakeLine Line => _board.Interrupts[0];

    private static long FirstNanosecond(long tick) => (long)(((Int128)tick * 1_000_000_000 + Hertz - 1) / Hertz);

    private void AdvanceToTick(long tick) => _board.Clock.Advance(FirstNanosecond(tick) - _board.Clock.NowNanoseconds);

    private void Program(int counter, int mode, int count, bool bcd = false)
    {
        Ports.Out8(0x43, (byte)((counter << 6) | 0x30 | (mode << 1) | (bcd ? 1 : 0)));
        Ports.Out8((ushort)(0x40 + counter), (byte)count);
        Ports.Out8((ushort)(0x40 + counter), (byte)(count >> 8));
    }

    private int ReadCount(int counter)
    {
        Ports.Out8(0x43, (byte)(counter << 6));
        var port = (ushort)(0x40 + counter);
        return Ports.In8(port) | (Ports.In8(port) << 8);
    }

    private byte ReadStatus(int counter)
    {
        Ports.Out8(0x43, (byte)(0xe0 | (2 << counter)));
        return Ports.In8((ushort)(0x40 + counter));
    }

    private bool Output(int counter) => (ReadStatus(counter) & 0x80) != 0;

    private void Gate2(bool open) => Ports.Out8(0x61, (byte)(open ? 1 : 0));

    [Fact]
    public void Mode_0_raises_the_output_one_tick_after_the_count_ran_out_and_stays()
    {
        Program(0, 0, 1000);
        Assert.False(Line.Asserted);
        AdvanceToTick(1000);
        Assert.False(Line.Asserted);
        AdvanceToTick(1001);
        Assert.True(Line.Asserted);
        AdvanceToTick(500_000);
        Assert.True(Line.Asserted);
        Assert.Equal(1, Line.RisingEdges);
        Assert.Equal(0, _board.Clock.ArmedTimers);
    }

    [Fact]
    public void Mode_0_goes_on_counting_below_zero()
    {
        Program(2, 0, 10);
        Gate2(true);
        AdvanceToTick(15);
        Assert.Equal(0x10000 - 5, ReadCount(2));
    }

    [Fact]
    public void The_first_byte_of_a_new_mode_0_count_lowers_the_output()
    {
        Program(0, 0, 10);
        AdvanceToTick(20);
        Assert.True(Output(0));
        Ports.Out8(0x40, 50);
        Assert.False(Output(0));
        AdvanceToTick(1000);
        Assert.False(Output(0));
        Ports.Out8(0x40, 0);
        AdvanceToTick(1051);
        Assert.True(Output(0));
    }

    [Fact]
    public void A_closed_gate_holds_mode_0()
    {
        Gate2(true);
        Program(2, 0, 100);
        AdvanceToTick(41);
        Gate2(false);
        AdvanceToTick(500);
        Assert.Equal(60, ReadCount(2));
        Gate2(true);
        AdvanceToTick(530);
        Assert.Equal(30, ReadCount(2));
    }

    [Fact]
    public void Mode_1_starts_with_each_rise_of_the_gate()
    {
        Program(2, 1, 100);
        Assert.True(Output(2));
        Gate2(true);
        AdvanceToTick(50);
        Assert.False(Output(2));
        Gate2(false);
        Gate2(true);
        AdvanceToTick(149);
        Assert.False(Output(2));
        AdvanceToTick(151);
        Assert.True(Output(2));
    }

    [Fact]
    public void Mode_2_interrupts_without_drift()
    {
        Program(0, 2, 1193);
        var before = Line.RisingEdges;
        AdvanceToTick(1 + (1193L * 10_000));
        Assert.Equal(before + 10_000, Line.RisingEdges);
        _board.Clock.Advance(FirstNanosecond(1 + (1193L * 10_001)) - _board.Clock.NowNanoseconds - 1);
        Assert.Equal(before + 10_000, Line.RisingEdges);
        _board.Clock.Advance(1);
        Assert.Equal(before + 10_001, Line.RisingEdges);
    }

    [Fact]
    public void Mode_2_is_low_for_the_last_tick_of_each_period()
    {
        Program(0, 2, 100);
        AdvanceToTick(99);
        Assert.True(Output(0));
        Assert.Equal(2, ReadCount(0));
        AdvanceToTick(100);
        Assert.False(Output(0));
        Assert.Equal(1, ReadCount(0));
        AdvanceToTick(101);
        Assert.True(Output(0));
        Assert.Equal(100, ReadCount(0));
    }

    [Fact]
    public void A_new_mode_2_count_waits_for_the_end_of_the_period()
    {
        Program(0, 2, 1000);
        AdvanceToTick(500);
        Ports.Out8(0x40, 200);
        Ports.Out8(0x40, 0);
        Assert.Equal(0x40, ReadStatus(0) & 0x40);
        Assert.Equal(501, ReadCount(0));
        var before = Line.RisingEdges;
        AdvanceToTick(1001);
        Assert.Equal(before + 1, Line.RisingEdges);
        Assert.Equal(200, ReadCount(0));
        Assert.Equal(0, ReadStatus(0) & 0x40);
        AdvanceToTick(1201);
        Assert.Equal(before + 2, Line.RisingEdges);
    }

    [Theory]
    [InlineData(100, 50)]
    [InlineData(101, 51)]
    public void Mode_3_is_high_for_the_longer_half(int count, int high)
    {
        Program(0, 3, count);
        AdvanceToTick(high);
        Assert.True(Output(0));
        AdvanceToTick(high + 1);
        Assert.False(Output(0));
        AdvanceToTick(count);
        Assert.False(Output(0));
        AdvanceToTick(count + 1);
        Assert.True(Output(0));
    }

    [Fact]
    public void Mode_3_counts_down_by_two_in_each_half()
    {
        Program(0, 3, 100);
        AdvanceToTick(11);
        Assert.Equal(80, ReadCount(0));
        AdvanceToTick(61);
        Assert.Equal(80, ReadCount(0));
    }

    [Fact]
    public void A_new_mode_3_count_starts_with_the_next_half()
    {
        Program(0, 3, 1000);
        AdvanceToTick(100);
        Ports.Out8(0x40, 100);
        Ports.Out8(0x40, 0);
        AdvanceToTick(500);
        Assert.True(Output(0));
        AdvanceToTick(501);
        Assert.False(Output(0));
        AdvanceToTick(551);
        Assert.True(Output(0));
        AdvanceToTick(601);
        Assert.False(Output(0));
    }

    [Fact]
    public void Mode_4_strobes_once_for_one_tick()
    {
        Program(0, 4, 100);
        Assert.True(Output(0));
        AdvanceToTick(101);
        Assert.False(Output(0));
        var before = Line.RisingEdges;
        AdvanceToTick(102);
        Assert.True(Output(0));
        Assert.Equal(before + 1, Line.RisingEdges);
        AdvanceToTick(70_000);
        Assert.Equal(before + 1, Line.RisingEdges);
    }

    [Fact]
    public void Mode_5_strobes_after_the_gate_rose()
    {
        Program(2, 5, 10);
        AdvanceToTick(50);
        Assert.True(Output(2));
        Gate2(true);
        AdvanceToTick(61);
        Assert.False(Output(2));
        AdvanceToTick(62);
        Assert.True(Output(2));
    }

    [Fact]
    public void Binary_coded_decimal_counts_in_decimal()
    {
        Gate2(true);
        Program(2, 2, 0x1000, bcd: true);
        AdvanceToTick(2);
        Assert.Equal(0x0999, ReadCount(2));
        AdvanceToTick(1001);
        Assert.Equal(0x1000, ReadCount(2));
    }

    [Fact]
    public void A_count_of_zero_is_the_largest()
    {
        Program(0, 2, 0);
        var before = Line.RisingEdges;
        AdvanceToTick(65_536);
        Assert.Equal(before, Line.RisingEdges);
        AdvanceToTick(65_537);
        Assert.Equal(before + 1, Line.RisingEdges);
    }

    [Fact]
    public void A_latched_count_stays_until_it_is_read()
    {
        Program(0, 2, 1000);
        AdvanceToTick(101);
        Ports.Out8(0x43, 0x00);
        AdvanceToTick(201);
        Ports.Out8(0x43, 0x00);
        Assert.Equal(900, Ports.In8(0x40) | (Ports.In8(0x40) << 8));
        Assert.Equal(800 & 0xff, Ports.In8(0x40));
    }

    [Fact]
    public void Read_back_gives_status_before_count()
    {
        Program(0, 3, 1000);
        AdvanceToTick(11);
        Ports.Out8(0x43, 0xc2);
        Assert.Equal(0xb6, Ports.In8(0x40));
        Assert.Equal(980, Ports.In8(0x40) | (Ports.In8(0x40) << 8));
    }

    [Fact]
    public void Read_back_latches_several_counters_at_once()
    {
        Gate2(true);
        Program(0, 2, 1000);
        Program(2, 2, 2000);
        AdvanceToTick(101);
        Ports.Out8(0x43, 0xda);
        AdvanceToTick(500);
        Assert.Equal(900, Ports.In8(0x40) | (Ports.In8(0x40) << 8));
        Assert.Equal(1900, Ports.In8(0x42) | (Ports.In8(0x42) << 8));
    }

    [Fact]
    public void Least_significant_byte_access_counts_one_byte()
    {
        Ports.Out8(0x43, 0x14);
        Ports.Out8(0x40, 18);
        AdvanceToTick(4);
        Assert.Equal(15, Ports.In8(0x40));
        AdvanceToTick(19);
        Assert.Equal(18, Ports.In8(0x40));
    }

    [Fact]
    public void The_calibration_of_Linux_sees_output_2_after_its_interval()
    {
        // arch/x86/kernel/tsc.c: pit_calibrate_tsc, 10 ms on counter 2 in mode 0.
        const int latch = 11931;
        Ports.Out8(0x61, (byte)((Ports.In8(0x61) & ~0x02) | 0x01));
        Ports.Out8(0x43, 0xb0);
        Ports.Out8(0x42, latch & 0xff);
        Ports.Out8(0x42, latch >> 8);
        var started = _board.Clock.NowNanoseconds;
        while ((Ports.In8(0x61) & 0x20) == 0)
        {
            _board.Clock.Advance(1000);
        }

        Assert.InRange(_board.Clock.NowNanoseconds - started, 9_999_000, 10_003_000);
    }

    [Fact]
    public void The_quick_calibration_of_Linux_sees_the_high_byte_count_down()
    {
        // arch/x86/kernel/tsc.c: quick_pit_calibrate reads low and high byte in turn, without latching.
        Ports.Out8(0x61, (byte)((Ports.In8(0x61) & ~0x02) | 0x01));
        Ports.Out8(0x43, 0xb0);
        Ports.Out8(0x42, 0xff);
        Ports.Out8(0x42, 0xff);
        var expected = 0xff;
        for (var tick = 1; tick < 5000; tick += 2)
        {
            AdvanceToTick(tick);
            Ports.In8(0x42);
            var high = Ports.In8(0x42);
            Assert.True(high == expected || high == expected - 1);
            expected = high;
        }

        Assert.Equal(0xff - (4998 >> 8), expected);
    }

    [Fact]
    public void The_refresh_bit_toggles_every_15_microseconds()
    {
        var changes = 0;
        var last = Ports.In8(0x61) & 0x10;
        for (var i = 0; i < 1000; i++)
        {
            _board.Clock.Advance(1000);
            var now = Ports.In8(0x61) & 0x10;
            changes += now != last ? 1 : 0;
            last = now;
        }

        Assert.InRange(changes, 64, 68);
    }

    [Fact]
    public void Reading_the_counter_while_its_timer_is_late_loses_no_interrupt()
    {
        var clock = new Moq.Mock<IVirtualClock>();
        var timer = new Moq.Mock<IVirtualTimer>();
        long now = 0;
        clock.Setup(c => c.NowNanoseconds).Returns(() => now);
        clock.Setup(c => c.CreateTimer(Moq.It.IsAny<string>(), Moq.It.IsAny<Action>())).Returns(timer.Object);
        var context = new Moq.Mock<IDeviceContext>();
        context.Setup(c => c.Name).Returns("pit");
        context.Setup(c => c.Clock).Returns(clock.Object);
        context.Setup(c => c.Interrupts).Returns(_board.Interrupts);
        var pit = new Pit8254Device(new Pit8254Options(), context.Object);
        pit.Reset(ResetKind.PowerOn);
        pit.Write(3, AccessWidth.Byte, 0x34);
        pit.Write(0, AccessWidth.Byte, 100);
        pit.Write(0, AccessWidth.Byte, 0);
        timer.Setup(t => t.Deadline).Returns(FirstNanosecond(101));
        now = FirstNanosecond(110);
        var before = Line.RisingEdges;
        pit.Write(3, AccessWidth.Byte, 0x00);
        Assert.Equal(before + 1, Line.RisingEdges);
    }

    [Fact]
    public void The_shortest_periods_do_not_storm_the_host()
    {
        Program(0, 2, 1);
        var before = Line.RisingEdges;
        _board.Clock.Advance(1_000_000);
        Assert.InRange(Line.RisingEdges - before, 1, 21);
    }

    [Fact]
    public void State_survives_in_the_middle_of_a_period_and_of_a_read()
    {
        Program(0, 3, 1001);
        Program(1, 2, 18);
        Gate2(true);
        Program(2, 0, 5000);
        AdvanceToTick(300);
        Ports.Out8(0x40, 77);
        Ports.Out8(0x43, 0xce);
        Ports.In8(0x40);
        var other = new FakeBoard();
        other.Clock.Advance(_board.Clock.NowNanoseconds);
        var fresh = other.Start(new Pit8254Device(new Pit8254Options(), other));
        StateRoundTrip.Check(_pit, fresh);
        Assert.Equal(_board.Clock.NextDeadline, other.Clock.NextDeadline);
        Ports.Out8(0x40, 0);
        other.Ports.Out8(0x40, 0);
        for (var i = 0; i < 200; i++)
        {
            _board.Clock.Advance(12_345);
            other.Clock.Advance(12_345);
            Assert.Equal(Ports.In8(0x40), other.Ports.In8(0x40));
            Assert.Equal(Ports.In8(0x42), other.Ports.In8(0x42));
            Assert.Equal(Ports.In8(0x61), other.Ports.In8(0x61));
        }
    }

    [Theory]
    [InlineData(1, 6)]
    [InlineData(2, 0)]
    [InlineData(4, 70_000)]
    [InlineData(5, ulong.MaxValue / 2)]
    public void Impossible_state_is_refused(int field, ulong value)
    {
        Program(0, 2, 100);
        var state = StateRecord.Save(_pit);
        state.SectionAt(1).Replace(field, value);
        Assert.Throws<StateException>(() => state.Restore(_pit));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void No_access_makes_it_throw(int seed) => RegisterFuzz.Run(_board, seed, 50_000);
}
