using Vmm.Plugins.RtcMc146818;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.RtcMc146818;

public sealed class RtcMc146818Tests
{
    private const long Second = 1_000_000_000;

    private readonly FakeBoard _board = new() { LowMemoryBytes = 3ul << 30, HighMemoryBytes = 5ul << 30, ProcessorCount = 4 };
    private readonly RtcMc146818Device _rtc;

    public RtcMc146818Tests() => _rtc = Start(_board);

    private bool Interrupting => _board.Interrupts[8].Asserted;

    private static RtcMc146818Device Start(FakeBoard board) => board.Start(new RtcMc146818Device(new RtcMc146818Options(), board, board));

    private static byte Get(FakeBoard board, byte register)
    {
        board.Ports.Out8(0x70, register);
        return board.Ports.In8(0x71);
    }

    private byte Get(byte register) => Get(_board, register);

    private void Put(byte register, byte value)
    {
        _board.Ports.Out8(0x70, register);
        _board.Ports.Out8(0x71, value);
    }

    private int Word(byte register) => Get(register) | (Get((byte)(register + 1)) << 8);

    private void PutTime(params ReadOnlySpan<byte> hoursMinutesSeconds)
    {
        Put(4, hoursMinutesSeconds[0]);
        Put(2, hoursMinutesSeconds[1]);
        Put(0, hoursMinutesSeconds[2]);
    }

    [Fact]
    public void The_time_is_the_wall_clock_in_decimal_and_24_hours()
    {
        Assert.Equal([0x56, 0x34, 0x12, 0x05, 0x29, 0x02, 0x24, 0x20],
            new byte[] { Get(0), Get(2), Get(4), Get(6), Get(7), Get(8), Get(9), Get(0x32) });
        _board.Clock.Advance(5 * Second);
        Assert.Equal(0x01, Get(0));
        Assert.Equal(0x35, Get(2));
    }

    [Fact]
    public void Binary_mode_and_12_hours_change_the_format()
    {
        Put(0x0b, 0x04);
        Assert.Equal(56, Get(0));
        Assert.Equal(0x8c, Get(4));
        Put(0x0b, 0x00);
        Assert.Equal(0x92, Get(4));
        _board.Clock.Advance(12 * 3600 * Second);
        Assert.Equal(0x12, Get(4));
        _board.Clock.Advance(3600 * Second);
        Assert.Equal(0x01, Get(4));
    }

    [Fact]
    public void Setting_the_time_as_Linux_does_takes_effect_half_a_second_before_the_next_update()
    {
        // drivers/rtc/rtc-mc146818-lib.c: mc146818_set_time.
        Put(0x0b, 0x82);
        Put(0x0a, 0x76);
        Put(9, 0x99);
        Put(8, 0x12);
        Put(7, 0x31);
        Put(0x32, 0x19);
        PutTime(0x23, 0x59, 0x59);
        _board.Clock.Advance(10 * Second);
        Assert.Equal(0x59, Get(0));
        Put(0x0b, 0x02);
        Put(0x0a, 0x26);
        _board.Clock.Advance((Second / 2) - 1000);
        Assert.Equal(0x59, Get(0));
        _board.Clock.Advance(1000);
        Assert.Equal([0x00, 0x00, 0x00, 0x01, 0x01, 0x00, 0x20],
            new byte[] { Get(0), Get(2), Get(4), Get(7), Get(8), Get(9), Get(0x32) });
    }

    [Fact]
    public void Set_alone_holds_the_registers_and_keeps_the_fraction()
    {
        _board.Clock.Advance(Second / 4);
        Put(0x0b, 0x82);
        PutTime(0x01, 0x02, 0x03);
        _board.Clock.Advance(Second);
        Assert.Equal(0x03, Get(0));
        Put(0x0b, 0x02);
        _board.Clock.Advance((3 * Second / 4) - 1);
        Assert.Equal(0x03, Get(0));
        _board.Clock.Advance(1);
        Assert.Equal(0x04, Get(0));
        Assert.Equal(0x01, Get(4));
    }

    [Fact]
    public void A_single_time_register_can_be_written_while_the_clock_runs()
    {
        Put(2, 0x05);
        Assert.Equal(0x05, Get(2));
        Assert.Equal(0x56, Get(0));
        Assert.Equal(0x12, Get(4));
    }

    [Fact]
    public void An_impossible_date_becomes_the_nearest_possible()
    {
        Put(0x0b, 0x82);
        Put(8, 0x02);
        Put(7, 0x31);
        Put(0x0b, 0x02);
        Assert.Equal(0x29, Get(7));
    }

    [Fact]
    public void Update_in_progress_is_announced_244_microseconds_before_the_second()
    {
        Assert.Equal(0x26, Get(0x0a));
        _board.Clock.Advance(Second - 245_000);
        Assert.Equal(0x26, Get(0x0a));
        _board.Clock.Advance(1000);
        Assert.Equal(0xa6, Get(0x0a));
        _board.Clock.Advance(244_000);
        Assert.Equal(0x26, Get(0x0a));
        Put(0x0b, 0x82);
        _board.Clock.Advance(Second - 1000);
        Assert.Equal(0x26, Get(0x0a));
    }

    [Fact]
    public void The_update_ended_interrupt_comes_each_second_once_acknowledged()
    {
        Put(0x0b, 0x12);
        _board.Clock.Advance(Second - 1);
        Assert.False(Interrupting);
        _board.Clock.Advance(1);
        Assert.True(Interrupting);
        Assert.Equal(0x90, Get(0x0c) & 0x90);
        Assert.False(Interrupting);
        Assert.Equal(0x00, Get(0x0c));
        _board.Clock.Advance(Second);
        Assert.True(Interrupting);
    }

    [Theory]
    [InlineData(0x26, 1024)]
    [InlineData(0x23, 8192)]
    [InlineData(0x2f, 2)]
    [InlineData(0x21, 256)]
    [InlineData(0x22, 128)]
    public void The_periodic_rate_is_exact(byte registerA, int hertz)
    {
        Put(0x0a, registerA);
        Put(0x0b, 0x42);
        var interrupts = 0;
        while (_board.Clock.NextDeadline is { } deadline && deadline <= 3 * Second)
        {
            _board.Clock.Advance(deadline - _board.Clock.NowNanoseconds);
            Assert.Equal(0xc0, Get(0x0c) & 0xc0);
            interrupts++;
        }

        Assert.Equal(3 * hertz, interrupts);
    }

    [Fact]
    public void Flags_are_set_without_their_interrupts_and_without_a_timer()
    {
        Assert.Equal(0, _board.Clock.ArmedTimers);
        Get(0x0c);
        _board.Clock.Advance(Second);
        Assert.False(Interrupting);
        Assert.Equal(0x50, Get(0x0c) & 0x50);
    }

    [Fact]
    public void The_alarm_rings_at_its_time()
    {
        Put(5, 0x12);
        Put(3, 0x35);
        Put(1, 0x10);
        Put(0x0b, 0x22);
        _board.Clock.Advance(13 * Second);
        Assert.False(Interrupting);
        _board.Clock.Advance(Second);
        Assert.True(Interrupting);
        Assert.Equal(0xa0, Get(0x0c) & 0xa0);
        _board.Clock.Advance(60 * Second);
        Assert.False(Interrupting);
    }

    [Fact]
    public void Alarm_registers_of_C0_and_more_match_everything()
    {
        Put(5, 0xff);
        Put(3, 0xc0);
        Put(1, 0x00);
        Put(0x0b, 0x22);
        for (var minute = 0; minute < 3; minute++)
        {
            _board.Clock.Advance(60 * Second);
            Assert.True(Interrupting);
            Get(0x0c);
        }
    }

    [Fact]
    public void An_alarm_missed_while_disabled_is_flagged()
    {
        Put(5, 0x12);
        Put(3, 0x34);
        Put(1, 0x59);
        Get(0x0c);
        _board.Clock.Advance(10 * Second);
        Assert.Equal(0x20, Get(0x0c) & 0xa0);
    }

    [Fact]
    public void Set_ends_the_update_ended_interrupt()
    {
        Put(0x0b, 0x92);
        Assert.Equal(0x82, Get(0x0b));
    }

    [Fact]
    public void Read_only_registers_stay()
    {
        Put(0x0d, 0x00);
        Assert.Equal(0x80, Get(0x0d));
        Put(0x0c, 0xff);
        Assert.Equal(0x00, Get(0x0c));
        Put(0x0a, 0xa6);
        Assert.Equal(0x26, Get(0x0a));
    }

    [Fact]
    public void Memory_sizes_are_those_of_the_board()
    {
        Assert.Equal(640, Word(0x15));
        Assert.Equal(0xffff, Word(0x17));
        Assert.Equal(0xffff, Word(0x30));
        Assert.Equal((3072 - 16) * 16, Word(0x34));
        Assert.Equal(5 * 1024 * 16 & 0xffff, Word(0x5b));
        Assert.Equal(5 * 1024 * 16 >> 16, Get(0x5d));
        Assert.Equal(3, Get(0x5f));
        var sum = 0;
        for (byte i = 0x10; i <= 0x2d; i++)
        {
            sum += Get(i);
        }

        Assert.Equal(sum, (Get(0x2e) << 8) | Get(0x2f));
    }

    [Fact]
    public void Both_banks_of_memory_hold_what_is_written_over_a_system_reset()
    {
        Put(0x0f, 0x0a);
        Put(0x40, 0x11);
        _board.Ports.Out8(0x72, 0x40);
        _board.Ports.Out8(0x73, 0x22);
        Put(0x0b, 0x72);
        _rtc.Reset(ResetKind.System);
        Assert.Equal(0x02, Get(0x0b));
        Assert.Equal(0x0a, Get(0x0f));
        Assert.Equal(0x11, Get(0xc0));
        Assert.Equal(0x40, _board.Ports.In8(0x72));
        Assert.Equal(0x22, _board.Ports.In8(0x73));
        _rtc.Reset(ResetKind.PowerOn);
        Assert.Equal(0x00, Get(0x40));
    }

    [Fact]
    public void State_survives_while_the_time_is_being_set_and_an_interrupt_is_pending()
    {
        Put(0x0b, 0x62);
        _board.Clock.Advance(Second);
        Put(0x0b, 0xe2);
        Put(0, 0x07);
        var other = new FakeBoard();
        other.Clock.Advance(Second);
        var fresh = Start(other);
        StateRoundTrip.Check(_rtc, fresh);
        Assert.True(other.Interrupts[8].Asserted);
        Assert.Equal(0x07, Get(other, 0));
        Assert.Equal(0xc0, Get(other, 0x0c) & 0xc0);
    }

    [Fact]
    public void A_set_time_survives_in_the_state()
    {
        Put(4, 0x03);
        _board.Clock.Advance(Second / 2);
        var other = new FakeBoard();
        other.Clock.Advance(Second / 2);
        var fresh = Start(other);
        StateRoundTrip.Check(_rtc, fresh);
        Assert.Equal(0x03, Get(other, 4));
        Assert.Equal(0x34, Get(other, 2));
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public void Hostile_times_in_the_state_do_no_harm(int field)
    {
        foreach (var value in new ulong[] { 0ul, 1ul << 63, long.MaxValue, ulong.MaxValue })
        {
            var state = StateRecord.Save(_rtc);
            state.Replace(field, value);
            state.SectionAt(6).Replace(1, value);
            state.SectionAt(6).Replace(2, value);
            state.Restore(_rtc);
            RegisterFuzz.Run(_board, 1, 500);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void No_access_makes_it_throw(int seed) => RegisterFuzz.Run(_board, seed, 50_000);
}
