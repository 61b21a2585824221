using Vmm.Plugins.Port92;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.Port92;

public sealed class Port92DeviceTests
{
    private readonly FakeBoard _board = new();
    private readonly Port92Device _device;

    public Port92DeviceTests() => _device = Start(_board);

    [Fact]
    public void Bit_1_is_the_a20_gate()
    {
        _board.Ports.Out8(0x92, 0x00);
        Assert.False(_board.AddressLine20.Enabled);
        Assert.Equal(0, _board.Ports.In8(0x92));

        _board.Ports.Out8(0x92, 0x02);
        Assert.True(_board.AddressLine20.Enabled);
        Assert.Equal(2, _board.Ports.In8(0x92));
    }

    [Fact]
    public void The_gate_reads_as_it_is_whoever_moved_it()
    {
        _board.Ports.Out8(0x92, 0x00);

        _board.AddressLine20.Enabled = true;

        Assert.Equal(2, _board.Ports.In8(0x92));
    }

    [Fact]
    public void Bit_0_resets_when_it_rises()
    {
        _board.Ports.Out8(0x92, 0x02);
        Assert.Equal(0, _board.Power.Resets);

        _board.Ports.Out8(0x92, 0x03);
        _board.Ports.Out8(0x92, 0x03);
        Assert.Equal(1, _board.Power.Resets);

        _device.Reset(ResetKind.System);
        _board.Ports.Out8(0x92, 0x01);
        Assert.Equal(2, _board.Power.Resets);
    }

    [Fact]
    public void The_other_bits_are_saved()
    {
        _board.Ports.Out8(0x92, 0xca);
        var other = new FakeBoard();

        StateRoundTrip.Check(_device, Start(other));

        Assert.Equal(0xca, other.Ports.In8(0x92));
    }

    [Fact]
    public void No_access_makes_it_throw() => RegisterFuzz.Run(_board, seed: 5, accesses: 5_000);

    private static Port92Device Start(FakeBoard board) => board.Start(new Port92Device(board, board.AddressLine20, board.Power));
}
