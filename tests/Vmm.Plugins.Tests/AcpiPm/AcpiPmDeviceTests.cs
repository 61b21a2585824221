using Vmm.Plugins.AcpiPm;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.AcpiPm;

public sealed class AcpiPmDeviceTests
{
    private const ushort Status = 0x600, Enable = 0x602, Control = 0x604, Timer = 0x608, GpeStatus = 0x620, GpeEnable = 0x622;
    private const long Second = 1_000_000_000;

    private readonly FakeBoard _board = new();

    public AcpiPmDeviceTests() => Start(_board);

    [Fact]
    public void The_timer_counts_3579545_times_a_second_without_drift()
    {
        _board.Clock.Advance(Second);
        Assert.Equal(3_579_545u, _board.Ports.In32(Timer));

        _board.Clock.Advance(999 * Second);
        Assert.Equal(3_579_545_000u, _board.Ports.In32(Timer));
    }

    [Fact]
    public void The_timer_wraps_at_32_bits_however_long_the_machine_runs()
    {
        const long Year = 365L * 24 * 3600;
        _board.Clock.Advance(Year * Second);

        Assert.Equal(unchecked((uint)(Year * 3_579_545)), _board.Ports.In32(Timer));
    }

    [Fact]
    public void The_narrow_timer_wraps_at_24_bits()
    {
        var board = new FakeBoard();
        Start(board, new AcpiPmOptions { WideTimer = false });

        board.Clock.Advance(5 * Second);

        Assert.Equal(5 * 3_579_545u - (1u << 24), board.Ports.In32(Timer));
    }

    [Fact]
    public void The_timer_cannot_be_written()
    {
        _board.Ports.Out32(Timer, 12345);

        Assert.Equal(0u, _board.Ports.In32(Timer));
    }

    [Fact]
    public void Every_change_of_the_timers_top_bit_sets_its_status_and_writing_one_clears_it()
    {
        _board.Clock.Advance(TopBitAfter(1) - 1);
        Assert.Equal(0, _board.Ports.In16(Status));
        _board.Clock.Advance(1);
        Assert.Equal(1, _board.Ports.In16(Status));

        _board.Ports.Out16(Status, 1);
        Assert.Equal(0, _board.Ports.In16(Status));

        _board.Clock.Advance(TopBitAfter(2) - TopBitAfter(1));
        Assert.Equal(1, _board.Ports.In16(Status));
    }

    [Fact]
    public void An_enabled_timer_overflow_raises_the_sci_at_its_instant_until_cleared()
    {
        _board.Ports.Out16(Enable, 1);
        _board.Clock.Advance(TopBitAfter(1) - 1);
        Assert.False(_board.Interrupts[9].Asserted);

        _board.Clock.Advance(1);
        Assert.True(_board.Interrupts[9].Asserted);

        _board.Ports.Out8(Status, 1);
        Assert.False(_board.Interrupts[9].Asserted);
        _board.Clock.Advance(TopBitAfter(2) - TopBitAfter(1));
        Assert.True(_board.Interrupts[9].Asserted);
    }

    [Fact]
    public void Enabling_after_the_event_raises_the_sci_at_once()
    {
        _board.Clock.Advance(TopBitAfter(1));

        _board.Ports.Out8(Enable, 1);

        Assert.True(_board.Interrupts[9].Asserted);
        _board.Ports.Out8(Enable, 0);
        Assert.False(_board.Interrupts[9].Asserted);
    }

    [Fact]
    public void Only_the_defined_enable_bits_hold_and_status_cannot_be_set_by_writing()
    {
        _board.Ports.Out32(Status, 0xffff_ffff);

        Assert.Equal(0x0721_0000u, _board.Ports.In32(Status));
    }

    [Fact]
    public void The_halves_of_a_register_are_written_alone()
    {
        _board.Ports.Out8(Enable + 1, 0x07);
        _board.Ports.Out8(Enable, 0x21);
        _board.Ports.Out8(Enable + 1, 0x01);

        Assert.Equal(0x0121, _board.Ports.In16(Enable));
        Assert.Equal(0x01, _board.Ports.In8(Enable + 1));
    }

    [Fact]
    public void Acpi_mode_is_on_and_stays_on()
    {
        Assert.Equal(1, _board.Ports.In16(Control));

        _board.Ports.Out16(Control, 0);

        Assert.Equal(1, _board.Ports.In16(Control));
    }

    [Fact]
    public void Sleep_enable_with_type_5_turns_the_machine_off()
    {
        _board.Ports.Out16(Control, 5 << 10);
        Assert.Equal(0, _board.Power.PowerOffs);

        _board.Ports.Out16(Control, (5 << 10) | (1 << 13));

        Assert.Equal(1, _board.Power.PowerOffs);
        Assert.Equal((5 << 10) | 1, _board.Ports.In16(Control));
    }

    [Fact]
    public void Sleep_enable_in_the_high_byte_alone_works()
    {
        _board.Ports.Out8(Control + 1, (5 << 2) | (1 << 5));

        Assert.Equal(1, _board.Power.PowerOffs);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(7)]
    public void Other_sleep_types_do_nothing(int type)
    {
        _board.Ports.Out16(Control, (ushort)((type << 10) | (1 << 13)));

        Assert.Equal(0, _board.Power.PowerOffs);
    }

    [Fact]
    public void General_purpose_events_have_status_and_enable()
    {
        _board.Ports.Out16(GpeEnable, 0xa5a5);
        _board.Ports.Out16(GpeStatus, 0xffff);

        Assert.Equal(0xa5a5, _board.Ports.In16(GpeEnable));
        Assert.Equal(0, _board.Ports.In16(GpeStatus));
        Assert.False(_board.Interrupts[9].Asserted);
    }

    [Fact]
    public void A_reset_clears_enables_and_releases_the_sci()
    {
        var board = new FakeBoard();
        var device = Start(board);
        board.Ports.Out16(Enable, 1);
        board.Clock.Advance(TopBitAfter(1));
        Assert.True(board.Interrupts[9].Asserted);

        device.Reset(ResetKind.System);

        Assert.False(board.Interrupts[9].Asserted);
        Assert.Equal(0u, board.Ports.In32(Status));
    }

    [Fact]
    public void A_restored_device_still_waits_for_the_overflow()
    {
        var board = new FakeBoard();
        var device = Start(board);
        board.Ports.Out16(Enable, 0x0121);
        board.Ports.Out16(GpeEnable, 0x1234);
        board.Clock.Advance(Second);
        var other = new FakeBoard();
        other.Clock.Advance(Second);
        var fresh = Start(other);

        StateRoundTrip.Check(device, fresh);

        other.Clock.Advance(TopBitAfter(1));
        Assert.True(other.Interrupts[9].Asserted);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void No_access_makes_it_throw(int seed) => RegisterFuzz.Run(_board, seed, 20_000);

    private static AcpiPmDevice Start(FakeBoard board, AcpiPmOptions? options = null) =>
        board.Start(new AcpiPmDevice(options ?? new AcpiPmOptions(), board, board.Power));

    /// <summary>When the top bit of the 32-bit timer changes for the n-th time.</summary>
    private static long TopBitAfter(int n) => (long)((((UInt128)n << 31) * 1_000_000_000 + 3_579_544) / 3_579_545);
}
