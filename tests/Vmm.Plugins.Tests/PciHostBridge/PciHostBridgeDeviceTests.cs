using Vmm.Plugins.PciHostBridge;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.PciHostBridge;

public sealed class PciHostBridgeDeviceTests
{
    private const uint Enabled = 0x8000_0000;
    private static readonly PciAddress Bridge = new(0, 0, 0);

    private readonly FakeBoard _board = new();
    private readonly FakePciConfigurationSpace _space = new();
    private readonly byte[] _function;
    private readonly PciHostBridgeDevice _device;

    public PciHostBridgeDeviceTests()
    {
        _space.Add(Bridge);
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

    [Theory]
    [InlineData(0x5a, 0x01, 0xc_0000, 0xc_4000)]
    [InlineData(0x5a, 0x10, 0xc_4000, 0xc_8000)]
    [InlineData(0x5d, 0x33, 0xd_8000, 0xe_0000)]
    [InlineData(0x5f, 0x32, 0xe_8000, 0xf_0000)]
    public void A_PAM_register_rules_two_segments(byte register, byte value, int first, int end)
    {
        SelectBridge(register);
        _board.Ports.Out8((ushort)(0xcfc + (register & 3)), value);

        for (int address = 0xc_0000; address < 0x10_0000; address += 0x4000)
        {
            int half = (address & 0x4000) == 0 ? value & 3 : value >> 4;
            Assert.Equal(address >= first && address < end ? (ShadowAccess)half : ShadowAccess.None, _board.Shadow.At((ulong)address));
        }

        Assert.Equal(value, _board.Ports.In8((ushort)(0xcfc + (register & 3))));
    }

    [Fact]
    public void PAM0_rules_the_last_64_KiB_and_keeps_no_other_bits()
    {
        SelectBridge(0x58);
        _board.Ports.Out32(0xcfc, 0x0000_ff00);

        Assert.Equal(0x0000_3000u, _board.Ports.In32(0xcfc));
        Assert.Equal(ShadowAccess.Read | ShadowAccess.Write, _board.Shadow.At(0xf_0000));
        Assert.Equal(ShadowAccess.Read | ShadowAccess.Write, _board.Shadow.At(0xf_c000));
        Assert.Equal(ShadowAccess.None, _board.Shadow.At(0xe_c000));
    }

    [Fact]
    public void A_reset_shows_the_ROM_again()
    {
        SelectBridge(0x58);
        _board.Ports.Out32(0xcfc, 0x3333_3000);

        _device.Reset(ResetKind.System);

        Assert.Equal(ShadowAccess.None, _board.Shadow.At(0xf_0000));
        Assert.Equal(ShadowAccess.None, _board.Shadow.At(0xc_0000));
        SelectBridge(0x58);
        Assert.Equal(0u, _board.Ports.In32(0xcfc));
    }

    [Fact]
    public void PAM_registers_are_the_bridge_s_alone()
    {
        Select(0x58);
        _board.Ports.Out32(0xcfc, 0x3333_3333);

        Assert.Equal(ShadowAccess.None, _board.Shadow.At(0xf_0000));
        Assert.Equal(0x3333_3333u, _board.Ports.In32(0xcfc));
    }

    [Fact]
    public void What_the_PAM_registers_rule_is_restored()
    {
        SelectBridge(0x58);
        _board.Ports.Out32(0xcfc, 0x0110_1000);
        FakeBoard other = new();

        StateRoundTrip.Check(_device, Start(other));

        Assert.Equal(ShadowAccess.Read, other.Shadow.At(0xf_4000));
        Assert.Equal(ShadowAccess.None, other.Shadow.At(0xc_0000));
        Assert.Equal(ShadowAccess.Read, other.Shadow.At(0xc_4000));
        Assert.Equal(ShadowAccess.Read, other.Shadow.At(0xc_8000));
    }

    [Fact]
    public void No_access_makes_it_throw() => RegisterFuzz.Run(_board, seed: 9, accesses: 20_000);

    private PciHostBridgeDevice Start(FakeBoard board) =>
        board.Start(new PciHostBridgeDevice(board, new FakePciSlot(board) { Address = Bridge }, _space, board.Shadow, board.Power));

    private void SelectBridge(byte register) => _board.Ports.Out32(0xcf8, Enabled | register);

    private void Select(byte register) => _board.Ports.Out32(0xcf8, Enabled | (2 << 16) | (0x1f << 11) | (3 << 8) | register);
}
