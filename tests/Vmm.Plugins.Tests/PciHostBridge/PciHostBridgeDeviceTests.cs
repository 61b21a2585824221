using Vmm.Plugins.PciHostBridge;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.PciHostBridge;

public sealed class PciHostBridgeDeviceTests
{
    private const uint Enabled = 0x8000_0000;

    private readonly FakeBoard _board = new();
    private readonly FakePciConfigurationSpace _space = new();
    private readonly byte[] _function;
    private readonly PciHostBridgeDevice _device;

    public PciHostBridgeDeviceTests()
    {
        _device = Start(_board);
        _function = _space.Add(new PciAddress(2, 0x1f, 3));
        for (int i = 0; i < 256; i++)
        {
            _function[i] = (byte)i;
        }
    }

    [Fact]
    public void It_is_the_host_bridge_of_the_82441FX() =>
        Assert.Equal(new PciIdentity(0x8086, 0x1237, 0x060000, 2), _device.Identity);

    [Fact]
    public void The_address_register_keeps_its_implemented_bits()
    {
        _board.Ports.Out32(0xcf8, 0xffff_ffff);

        Assert.Equal(0x80ff_fffcu, _board.Ports.In32(0xcf8));
    }

    [Fact]
    public void Data_of_all_widths_reaches_the_function_and_register_addressed()
    {
        Select(0x40);

        Assert.Equal(0x43424140u, _board.Ports.In32(0xcfc));
        Assert.Equal(0x4140, _board.Ports.In16(0xcfc));
        Assert.Equal(0x4342, _board.Ports.In16(0xcfe));
        Assert.Equal(0x42, _board.Ports.In8(0xcfe));

        _board.Ports.Out8(0xcff, 0xaa);
        _board.Ports.Out16(0xcfc, 0xbbcc);
        Assert.Equal([0xcc, 0xbb, 0x42, 0xaa], _function[0x40..0x44]);
        _board.Ports.Out32(0xcfc, 0x11223344);
        Assert.Equal([0x44, 0x33, 0x22, 0x11], _function[0x40..0x44]);
    }

    [Fact]
    public void An_absent_function_reads_as_all_ones()
    {
        _board.Ports.Out32(0xcf8, Enabled | (5 << 16));

        Assert.Equal(0xffff_ffffu, _board.Ports.In32(0xcfc));
        _board.Ports.Out32(0xcfc, 0);
    }

    [Fact]
    public void Without_the_enable_bit_data_reads_as_all_ones_and_writes_vanish()
    {
        _board.Ports.Out32(0xcf8, (2 << 16) | (0x1f << 11) | (3 << 8) | 0x40);

        Assert.Equal(0xffff_ffffu, _board.Ports.In32(0xcfc));
        _board.Ports.Out32(0xcfc, 0);
        Assert.Equal(0x40, _function[0x40]);
    }

    [Fact]
    public void The_address_register_takes_double_words_only()
    {
        Select(0x40);

        _board.Ports.Out8(0xcf8, 0);
        _board.Ports.Out16(0xcfa, 0);

        Assert.Equal(0x40, _board.Ports.In8(0xcfc));
        Assert.Equal(0xff, _board.Ports.In8(0xcf8));
    }

    [Fact]
    public void A_byte_at_0xcf9_is_the_reset_control_register()
    {
        _board.Ports.Out8(0xcf9, 0x02);
        Assert.Equal(0, _board.Power.Resets);
        Assert.Equal(0x02, _board.Ports.In8(0xcf9));

        _board.Ports.Out8(0xcf9, 0x06);

        Assert.Equal(1, _board.Power.Resets);
        Assert.Equal(0u, _board.Ports.In32(0xcf8));
    }

    [Theory]
    [InlineData(0x06)]
    [InlineData(0x0e)]
    [InlineData(0x04)]
    public void Bit_2_rising_resets_once(byte value)
    {
        _board.Ports.Out8(0xcf9, value);
        _board.Ports.Out8(0xcf9, value);
        Assert.Equal(1, _board.Power.Resets);

        _board.Ports.Out8(0xcf9, 0);
        _board.Ports.Out8(0xcf9, value);
        Assert.Equal(2, _board.Power.Resets);
    }

    [Fact]
    public void A_double_word_at_0xcf8_never_resets()
    {
        _board.Ports.Out32(0xcf8, 0xffff_ffff);

        Assert.Equal(0, _board.Power.Resets);
    }

    [Fact]
    public void Address_and_reset_registers_are_saved()
    {
        Select(0x40);
        _board.Ports.Out8(0xcf9, 0x02);
        var other = new FakeBoard();

        StateRoundTrip.Check(_device, Start(other));

        Assert.Equal(0x40, other.Ports.In8(0xcfc));
    }

    [Fact]
    public void No_access_makes_it_throw() => RegisterFuzz.Run(_board, seed: 9, accesses: 20_000);

    private PciHostBridgeDevice Start(FakeBoard board) => board.Start(new PciHostBridgeDevice(board, _space, board.Power));

    private void Select(byte register) => _board.Ports.Out32(0xcf8, Enabled | (2 << 16) | (0x1f << 11) | (3 << 8) | register);
}
