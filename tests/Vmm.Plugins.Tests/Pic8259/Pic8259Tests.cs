using Vmm.Plugins.Pic8259;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.Pic8259;

public sealed class Pic8259Tests
{
    private readonly FakeBoard _board = new();
    private readonly Pic8259Device _pic;

    public Pic8259Tests() => _pic = _board.Start(new Pic8259Device(new Pic8259Options(), _board));

    private bool Interrupting => _board.Interrupts.ExternalInterrupt.Asserted;

    private FakePortSpace Ports => _board.Ports;

    private void Initialize(byte masterIcw4 = 0x01, byte slaveIcw4 = 0x01)
    {
        Ports.Out8(0x20, 0x11);
        Ports.Out8(0x21, 0x30);
        Ports.Out8(0x21, 0x04);
        Ports.Out8(0x21, masterIcw4);
        Ports.Out8(0xa0, 0x11);
        Ports.Out8(0xa1, 0x38);
        Ports.Out8(0xa1, 0x02);
        Ports.Out8(0xa1, slaveIcw4);
    }

    private byte InService(ushort port)
    {
        Ports.Out8(port, 0x0b);
        return Ports.In8(port);
    }

    private byte Requests(ushort port)
    {
        Ports.Out8(port, 0x0a);
        return Ports.In8(port);
    }

    [Fact]
    public void Before_initialization_nothing_is_delivered()
    {
        _board.Interrupts[1].Set(true);
        Assert.False(Interrupting);
        Assert.Equal(0xff, Ports.In8(0x21));
    }

    [Fact]
    public void An_edge_on_line_4_gives_its_vector_once()
    {
        Initialize();
        _board.Interrupts[4].Set(true);
        Assert.True(Interrupting);
        Assert.Equal(0x34, _board.Interrupts.Acknowledge());
        Assert.False(Interrupting);
        Assert.Equal(0x10, InService(0x20));
        Assert.Equal(0, Requests(0x20));
        Ports.Out8(0x20, 0x20);
        Assert.Equal(0, InService(0x20));
        Assert.False(Interrupting);
    }

    [Fact]
    public void The_mask_register_reads_back_and_masks()
    {
        Initialize();
        Ports.Out8(0x21, 0xfb);
        Assert.Equal(0xfb, Ports.In8(0x21));
        _board.Interrupts[0].Set(true);
        Assert.False(Interrupting);
        Assert.Equal(1, Requests(0x20));
        Ports.Out8(0x21, 0xfa);
        Assert.True(Interrupting);
    }

    [Fact]
    public void A_lower_level_waits_for_the_end_of_a_higher_one()
    {
        Initialize();
        _board.Interrupts[3].Set(true);
        Assert.Equal(0x33, _board.Interrupts.Acknowledge());
        _board.Interrupts[5].Set(true);
        Assert.False(Interrupting);
        _board.Interrupts[1].Set(true);
        Assert.True(Interrupting);
        Assert.Equal(0x31, _board.Interrupts.Acknowledge());
        Ports.Out8(0x20, 0x20);
        Assert.Equal(0x08, InService(0x20));
        Ports.Out8(0x20, 0x63);
        Assert.Equal(0x35, _board.Interrupts.Acknowledge());
    }

    [Fact]
    public void The_slave_goes_through_input_2_and_needs_two_ends()
    {
        Initialize();
        _board.Interrupts[8].Set(true);
        _board.Interrupts[12].Set(true);
        Assert.Equal(0x38, _board.Interrupts.Acknowledge());
        Assert.Equal(0x04, InService(0x20));
        Assert.Equal(0x01, InService(0xa0));
        Ports.Out8(0xa0, 0x20);
        Assert.False(Interrupting);
        Ports.Out8(0x20, 0x20);
        Assert.True(Interrupting);
        Assert.Equal(0x3c, _board.Interrupts.Acknowledge());
    }

    [Fact]
    public void Line_2_itself_is_ignored()
    {
        Initialize();
        _board.Interrupts[2].Set(true);
        Assert.False(Interrupting);
    }

    [Fact]
    public void A_level_triggered_line_asks_again_until_released()
    {
        Initialize();
        Ports.Out8(0x4d0, 0xff);
        Ports.Out8(0x4d1, 0xff);
        Assert.Equal(0xf8, Ports.In8(0x4d0));
        Assert.Equal(0xde, Ports.In8(0x4d1));
        _board.Interrupts[11].Set(true);
        Assert.Equal(0x3b, _board.Interrupts.Acknowledge());
        Ports.Out8(0xa0, 0x20);
        Ports.Out8(0x20, 0x20);
        Assert.True(Interrupting);
        _board.Interrupts[11].Set(false);
        Assert.False(Interrupting);
    }

    [Fact]
    public void A_request_that_goes_away_gives_spurious_interrupt_7()
    {
        Initialize();
        Ports.Out8(0x4d0, 0x20);
        _board.Interrupts[5].Set(true);
        _board.Interrupts[5].Set(false);
        Assert.Equal(0x37, _board.Interrupts.Acknowledge());
        Assert.Equal(0, InService(0x20));
    }

    [Fact]
    public void A_slave_request_masked_after_the_master_took_it_gives_no_in_service_bit()
    {
        Initialize();
        _board.Interrupts[14].Set(true);
        Ports.Out8(0xa1, 0xff);
        Assert.False(Interrupting);
        Assert.Equal(0x37, _board.Interrupts.Acknowledge());
        Assert.Equal(0, InService(0xa0));
        Assert.Equal(0, InService(0x20));
    }

    [Fact]
    public void Automatic_end_of_interrupt_leaves_no_in_service_bit()
    {
        Initialize(masterIcw4: 0x03);
        _board.Interrupts[6].Set(true);
        Assert.Equal(0x36, _board.Interrupts.Acknowledge());
        Assert.Equal(0, InService(0x20));
    }

    [Fact]
    public void Rotation_on_automatic_end_makes_the_served_level_the_lowest()
    {
        Initialize(masterIcw4: 0x03);
        Ports.Out8(0x20, 0x80);
        _board.Interrupts[0].Set(true);
        Assert.Equal(0x30, _board.Interrupts.Acknowledge());
        _board.Interrupts[0].Set(false);
        _board.Interrupts[0].Set(true);
        _board.Interrupts[7].Set(true);
        Assert.Equal(0x37, _board.Interrupts.Acknowledge());
        Assert.Equal(0x30, _board.Interrupts.Acknowledge());
    }

    [Theory]
    [InlineData(0xc3, 4, 3)]
    [InlineData(0xc6, 7, 0)]
    public void Set_priority_moves_the_bottom(byte command, int first, int second)
    {
        Initialize();
        Ports.Out8(0x20, command);
        _board.Interrupts[second].Set(true);
        _board.Interrupts[first].Set(true);
        Assert.Equal(0x30 + first, _board.Interrupts.Acknowledge());
    }

    [Fact]
    public void Rotate_on_non_specific_end_makes_the_level_the_lowest()
    {
        Initialize();
        _board.Interrupts[3].Set(true);
        _board.Interrupts.Acknowledge();
        Ports.Out8(0x20, 0xa0);
        Assert.Equal(0, InService(0x20));
        _board.Interrupts[3].Set(false);
        _board.Interrupts[3].Set(true);
        _board.Interrupts[5].Set(true);
        Assert.Equal(0x35, _board.Interrupts.Acknowledge());
    }

    [Fact]
    public void Special_mask_mode_lets_lower_levels_through_and_spares_masked_ones_at_the_end()
    {
        Initialize();
        _board.Interrupts[3].Set(true);
        _board.Interrupts.Acknowledge();
        Ports.Out8(0x21, 0x08);
        _board.Interrupts[6].Set(true);
        Assert.False(Interrupting);
        Ports.Out8(0x20, 0x68);
        Assert.True(Interrupting);
        Assert.Equal(0x36, _board.Interrupts.Acknowledge());
        Ports.Out8(0x20, 0x20);
        Ports.Out8(0x20, 0x20);
        Assert.Equal(0x08, InService(0x20));
    }

    [Fact]
    public void Special_fully_nested_mode_lets_a_higher_slave_request_interrupt_a_lower_one()
    {
        Initialize(masterIcw4: 0x11);
        _board.Interrupts[12].Set(true);
        Assert.Equal(0x3c, _board.Interrupts.Acknowledge());
        _board.Interrupts[9].Set(true);
        Assert.Equal(0x39, _board.Interrupts.Acknowledge());
    }

    [Fact]
    public void Poll_acknowledges_and_tells_the_level()
    {
        Initialize();
        _board.Interrupts[4].Set(true);
        Ports.Out8(0x20, 0x0c);
        Assert.Equal(0x84, Ports.In8(0x20));
        Assert.Equal(0x10, InService(0x20));
        Ports.Out8(0x20, 0x0c);
        Assert.Equal(0x00, Ports.In8(0x20));
    }

    [Fact]
    public void Icw1_forgets_edges_and_masks()
    {
        Initialize();
        _board.Interrupts[4].Set(true);
        Ports.Out8(0x21, 0xff);
        Initialize();
        Assert.Equal(0, Ports.In8(0x21));
        Assert.False(Interrupting);
        _board.Interrupts[4].Set(false);
        _board.Interrupts[4].Set(true);
        Assert.True(Interrupting);
    }

    [Fact]
    public void A_single_controller_without_icw4_needs_two_words()
    {
        Ports.Out8(0x20, 0x12);
        Ports.Out8(0x21, 0x40);
        Ports.Out8(0x21, 0xef);
        Assert.Equal(0xef, Ports.In8(0x21));
    }

    [Fact]
    public void State_survives_in_the_middle_of_initialization_and_service()
    {
        Initialize();
        _board.Interrupts[4].Set(true);
        _board.Interrupts[10].Set(true);
        _board.Interrupts.Acknowledge();
        Ports.Out8(0xa0, 0x11);
        Ports.Out8(0xa1, 0x70);
        var other = new FakeBoard();
        var fresh = other.Start(new Pic8259Device(new Pic8259Options(), other));
        StateRoundTrip.Check(_pic, fresh);
        other.Ports.Out8(0xa1, 0x02);
        other.Ports.Out8(0xa1, 0x01);
        other.Ports.Out8(0xa1, 0xef);
        Assert.Equal(0xef, other.Ports.In8(0xa1));
    }

    [Fact]
    public void Restoring_a_pending_request_drives_the_output()
    {
        Initialize();
        _board.Interrupts[9].Set(true);
        var other = new FakeBoard();
        var fresh = other.Start(new Pic8259Device(new Pic8259Options(), other));
        StateRecord.Save(_pic).Restore(fresh);
        Assert.True(other.Interrupts.ExternalInterrupt.Asserted);
        Assert.Equal(0x39, other.Interrupts.Acknowledge());
    }

    [Fact]
    public void An_impossible_initialization_step_is_refused()
    {
        var state = StateRecord.Save(_pic);
        state.SectionAt(1).Replace(1, 9);
        Assert.Throws<StateException>(() => state.Restore(_pic));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void No_access_makes_it_throw(int seed)
    {
        RegisterFuzz.Run(_board, seed, 20_000);
        for (var i = 0; i < 16; i++)
        {
            _board.Interrupts[i].Set(true);
            _board.Interrupts.Acknowledge();
            RegisterFuzz.Run(_board, seed + i, 100);
        }
    }
}
