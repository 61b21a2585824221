using Vmm.Plugins.IoApic;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.IoApic;

public sealed class IoApicTests
{
    private const ulong Base = 0xfec0_0000;
    private const uint Level = 0x8000;
    private const uint Masked = 0x1_0000;
    private const uint RemoteIrr = 0x4000;

    private readonly FakeBoard _board = new();
    private readonly IoApicDevice _apic;

    public IoApicTests() => _apic = _board.Start(new IoApicDevice(new IoApicOptions(), _board));

    private uint Read(byte register)
    {
        _board.Mmio.Write32(Base, register);
        return _board.Mmio.Read32(Base + 0x10);
    }

    private void Write(byte register, uint value)
    {
        _board.Mmio.Write32(Base, register);
        _board.Mmio.Write32(Base + 0x10, value);
    }

    private void Redirect(int pin, uint low, uint high = 0)
    {
        Write((byte)(0x11 + (2 * pin)), high);
        Write((byte)(0x10 + (2 * pin)), low);
    }

    [Fact]
    public void It_has_24_masked_pins_and_version_0x20()
    {
        Assert.Equal(0x0017_0020u, Read(1));
        for (var pin = 0; pin < 24; pin++)
        {
            Assert.Equal(Masked, Read((byte)(0x10 + (2 * pin))));
            Assert.Equal(0u, Read((byte)(0x11 + (2 * pin))));
        }

        Assert.Equal(0u, Read(0x40));
    }

    [Fact]
    public void The_id_is_writable_and_shows_in_the_arbitration_register()
    {
        Write(0, 0xff00_00ff);
        Assert.Equal(0x0f00_0000u, Read(0));
        Assert.Equal(0x0f00_0000u, Read(2));
    }

    [Fact]
    public void Read_only_bits_of_an_entry_stay()
    {
        Redirect(3, 0xffff_ffff, 0xffff_ffff);
        Assert.Equal(0x0001_afffu, Read(0x16));
        Assert.Equal(0xff00_0000u, Read(0x17));
    }

    [Theory]
    [InlineData(0x0031u, 0x0100_0000u, 0xfee0_1000ul, 0x0031u)]
    [InlineData(0x0931u, 0xff00_0000u, 0xfeef_f004ul, 0x0131u)]
    [InlineData(0x0400u, 0x0000_0000u, 0xfee0_0000ul, 0x0400u)]
    [InlineData(0x8031u, 0x0200_0000u, 0xfee0_2000ul, 0xc031u)]
    public void An_entry_becomes_a_message(uint low, uint high, ulong address, uint data)
    {
        Redirect(4, low, high);
        _board.Interrupts[4].Set(true);
        Assert.Equal([new InterruptMessage(address, data)], _board.Interrupts.Messages);
    }

    [Fact]
    public void Line_0_arrives_at_pin_2_and_line_2_nowhere()
    {
        Redirect(0, 0x30);
        Redirect(2, 0x32);
        _board.Interrupts[2].Set(true);
        Assert.Empty(_board.Interrupts.Messages);
        _board.Interrupts[0].Set(true);
        Assert.Equal(0x32, Assert.Single(_board.Interrupts.Messages).Vector);
    }

    [Fact]
    public void Each_rising_edge_sends_one_message()
    {
        Redirect(5, 0x35);
        _board.Interrupts[5].Set(true);
        _board.Interrupts[5].Set(false);
        _board.Interrupts[5].Set(true);
        Assert.Equal(2, _board.Interrupts.Messages.Count);
    }

    [Fact]
    public void An_edge_on_a_masked_pin_is_lost()
    {
        Redirect(5, 0x35 | Masked);
        _board.Interrupts[5].Set(true);
        Redirect(5, 0x35);
        Assert.Empty(_board.Interrupts.Messages);
    }

    [Fact]
    public void A_level_on_a_masked_pin_waits_for_the_unmasking()
    {
        Redirect(16, 0x41 | Level | Masked);
        _board.Interrupts[16].Set(true);
        Assert.Empty(_board.Interrupts.Messages);
        Redirect(16, 0x41 | Level);
        Assert.Equal(0x41, Assert.Single(_board.Interrupts.Messages).Vector);
    }

    [Fact]
    public void A_level_is_sent_again_after_its_end_while_the_line_is_asserted()
    {
        Redirect(17, 0x42 | Level | 0x2000);
        _board.Interrupts[17].Set(true);
        Assert.Equal(0x42 | Level | 0x2000 | RemoteIrr, Read(0x10 + 34));
        _board.Interrupts[17].Set(false);
        _board.Interrupts[17].Set(true);
        Assert.Single(_board.Interrupts.Messages);
        _board.Interrupts.EndOfInterrupt(0x41);
        Assert.Single(_board.Interrupts.Messages);
        _board.Interrupts.EndOfInterrupt(0x42);
        Assert.Equal(2, _board.Interrupts.Messages.Count);
        _board.Interrupts[17].Set(false);
        _board.Interrupts.EndOfInterrupt(0x42);
        Assert.Equal(2, _board.Interrupts.Messages.Count);
        Assert.Equal(0u, Read(0x10 + 34) & RemoteIrr);
    }

    [Fact]
    public void The_end_of_interrupt_register_ends_by_vector()
    {
        Redirect(17, 0x42 | Level);
        Redirect(18, 0x42 | Level);
        _board.Interrupts[17].Set(true);
        _board.Interrupts[18].Set(true);
        _board.Interrupts.ClearMessages();
        _board.Mmio.Write32(Base + 0x40, 0x42);
        Assert.Equal(2, _board.Interrupts.Messages.Count);
    }

    [Fact]
    public void Switching_to_edge_ends_a_stuck_level_interrupt()
    {
        Redirect(17, 0x42 | Level);
        _board.Interrupts[17].Set(true);
        Redirect(17, 0x42 | Masked);
        Redirect(17, 0x42 | Level);
        Assert.Equal(2, _board.Interrupts.Messages.Count);
    }

    [Fact]
    public void Lines_above_23_are_not_its_own()
    {
        _board.Interrupts[24].Set(true);
        _board.Interrupts[1023].Set(true);
        Assert.Empty(_board.Interrupts.Messages);
    }

    [Fact]
    public void Accesses_narrower_than_a_double_word_get_no_response() =>
        Assert.Equal(0xfful, _board.Mmio.Read(Base, AccessWidth.Byte));

    [Fact]
    public void Options_come_from_text()
    {
        var board = new FakeBoard();
        var options = (IoApicOptions)new OptionBinder().Bind(typeof(IoApicOptions), new FakeOptions("address=0xfec10000,id=3"));
        board.Start(new IoApicDevice(options, board));
        Assert.Equal(0x0300_0000u, board.Mmio.Read32(0xfec1_0010));
    }

    [Fact]
    public void Reset_masks_everything()
    {
        Redirect(4, 0x34);
        _apic.Reset(ResetKind.System);
        _board.Interrupts[4].Set(true);
        Assert.Empty(_board.Interrupts.Messages);
        Assert.Equal(Masked, Read(0x18));
    }

    [Fact]
    public void State_survives_while_a_level_interrupt_is_in_service()
    {
        Redirect(17, 0x42 | Level);
        Redirect(4, 0x34, 0x0300_0000);
        _board.Interrupts[17].Set(true);
        var other = new FakeBoard();
        var fresh = other.Start(new IoApicDevice(new IoApicOptions(), other));
        StateRoundTrip.Check(_apic, fresh);
        other.Interrupts[17].Set(true);
        Assert.Empty(other.Interrupts.Messages);
        other.Interrupts.EndOfInterrupt(0x42);
        Assert.Equal(0x42, Assert.Single(other.Interrupts.Messages).Vector);
    }

    [Fact]
    public void Hostile_state_keeps_to_the_bits_that_exist()
    {
        var state = StateRecord.Save(_apic);
        foreach (var field in state.Fields)
        {
            state.Replace(field, ulong.MaxValue);
        }

        state.Restore(_apic);
        Assert.Equal(0x0001_efffu, Read(0x10));
        Assert.Equal(0x0f00_0000u, Read(0));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void No_access_makes_it_throw(int seed)
    {
        for (var i = 0; i < 30; i++)
        {
            _board.Interrupts[i].Set((seed + i) % 3 != 0);
            RegisterFuzz.Run(_board, seed + i, 1_000);
            _board.Interrupts.EndOfInterrupt((byte)i);
        }
    }
}
