using System.Buffers.Binary;
using System.Text;
using Vmm.Plugins.FwCfg;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.FwCfg;

public sealed class FwCfgDeviceTests
{
    private const uint Error = 1, Read = 2, Skip = 4, Select = 8, Write = 16;
    private const ulong Command = 0x1000, Target = 0x2000;

    private readonly FakeBoard _board = new()
    {
        ProcessorCount = 3,
        HighMemoryBytes = 1ul << 30,
        Files = [new FirmwareFile("etc/second", "two"u8.ToArray()), new FirmwareFile("etc/first", new byte[] { 1, 2, 3, 4, 5 })],
    };

    private readonly FwCfgDevice _device;

    public FwCfgDeviceTests() => _device = Start(_board);

    [Fact]
    public void It_is_found_by_its_signature_and_its_features()
    {
        Assert.Equal("QEMU"u8.ToArray(), Item(0, 4));
        Assert.Equal([3, 0, 0, 0], Item(1, 4));
        Assert.Equal("QEMU"u8.ToArray(), BitConverter.GetBytes(_board.Ports.In32(0x514)));
        Assert.Equal(" CFG"u8.ToArray(), BitConverter.GetBytes(_board.Ports.In32(0x518)));
    }

    [Fact]
    public void Numbers_of_the_board_are_items()
    {
        Assert.Equal((512ul << 20) + (1ul << 30), BinaryPrimitives.ReadUInt64LittleEndian(Item(3, 8)));
        Assert.Equal([1, 0], Item(4, 2));
        Assert.Equal([3, 0], Item(5, 2));
        Assert.Equal([3, 0], Item(0x0f, 2));
    }

    [Fact]
    public void A_display_is_assumed_where_the_serial_console_is_turned_off()
    {
        FakeBoard board = new();
        board.Start(new FwCfgDevice(new FwCfgOptions { SerialConsole = false }, board, board, board));
        board.Ports.Out16(0x510, 4);
        Assert.Equal(0, board.Ports.In8(0x511));
    }

    [Fact]
    public void The_directory_lists_files_by_name_with_size_and_key()
    {
        byte[] directory = Item(0x19, 4 + (2 * 64));

        Assert.Equal(2u, BinaryPrimitives.ReadUInt32BigEndian(directory));
        Assert.Equal("etc/first", Name(directory, 0));
        Assert.Equal("etc/second", Name(directory, 1));
        Assert.Equal(5u, BinaryPrimitives.ReadUInt32BigEndian(directory.AsSpan(4)));
        Assert.Equal([1, 2, 3, 4, 5], Item(BinaryPrimitives.ReadUInt16BigEndian(directory.AsSpan(8)), 5));
        Assert.Equal("two"u8.ToArray(), Item(BinaryPrimitives.ReadUInt16BigEndian(directory.AsSpan(72)), 3));
    }

    [Fact]
    public void Behind_the_end_and_without_an_item_there_are_zeros()
    {
        Assert.Equal([.. "QEMU"u8, 0, 0], Item(0, 6));
        Assert.Equal([0, 0], Item(0x3fff, 2));
    }

    [Fact]
    public void Widths_that_the_registers_do_not_have_read_as_ones_and_select_nothing()
    {
        _board.Ports.Out16(0x510, 0);
        _board.Ports.Out8(0x510, 5);

        Assert.Equal(0xff, _board.Ports.In8(0x510));
        Assert.Equal((byte)'Q', _board.Ports.In8(0x511));
    }

    [Fact]
    public void DMA_selects_skips_and_copies_and_clears_what_lies_behind_the_end()
    {
        _board.Memory.Bytes.Slice((int)Target, 8).Fill(0xee);

        Assert.Equal(0u, Dma((0x20u << 16) | Select | Skip, 2, 0));
        Assert.Equal(0u, Dma(Read, 5, Target));

        Assert.Equal([3, 4, 5, 0, 0, 0xee, 0xee, 0xee], _board.Memory.Bytes.Slice((int)Target, 8).ToArray());
    }

    [Fact]
    public void DMA_and_the_data_port_share_the_place_that_was_read_to()
    {
        Dma((0x20u << 16) | Select | Read, 3, Target);
        Assert.Equal(4, _board.Ports.In8(0x511));
    }

    [Fact]
    public void DMA_cannot_write_items()
    {
        Assert.Equal(Error, Dma((0x20u << 16) | Select | Write, 1, Target));
        Assert.Equal([1], Item(0x20, 1));
    }

    [Theory]
    [InlineData(0xffff_fff0, 4)]
    [InlineData(16ul << 20, 1)]
    [InlineData((16ul << 20) - 4, 0xffff_ffff)]
    public void DMA_to_where_no_memory_is_ends_with_an_error(ulong address, uint length) =>
        Assert.Equal(Error, Dma((0x20u << 16) | Select | Read, length, address));

    [Fact]
    public void A_DMA_command_where_no_memory_is_is_ignored()
    {
        _board.Ports.Out32(0x514, uint.MaxValue);
        _board.Ports.Out32(0x518, uint.MaxValue);
    }

    [Fact]
    public void Selection_and_place_are_saved()
    {
        Item(0x20, 2);
        FakeBoard other = new() { Files = _board.Files };

        StateRoundTrip.Check(_device, Start(other));

        Assert.Equal(3, other.Ports.In8(0x511));
    }

    [Fact]
    public void No_access_makes_it_throw() => RegisterFuzz.Run(_board, seed: 11, accesses: 20_000);

    private static FwCfgDevice Start(FakeBoard board) => board.Start(new FwCfgDevice(new FwCfgOptions(), board, board, board));

    private static string Name(byte[] directory, int index) => Encoding.ASCII.GetString(directory, 4 + (index * 64) + 8, 56).TrimEnd('\0');

    private byte[] Item(ushort key, int length)
    {
        _board.Ports.Out16(0x510, key);
        return [.. Enumerable.Range(0, length).Select(_ => _board.Ports.In8(0x511))];
    }

    /// <summary>Carries out a DMA command and gives what it leaves in its control word.</summary>
    private uint Dma(uint control, uint length, ulong address)
    {
        Span<byte> command = _board.Memory.Bytes.Slice((int)Command, 16);
        BinaryPrimitives.WriteUInt32BigEndian(command, control);
        BinaryPrimitives.WriteUInt32BigEndian(command[4..], length);
        BinaryPrimitives.WriteUInt64BigEndian(command[8..], address);
        _board.Ports.Out32(0x514, 0);
        _board.Ports.Out32(0x518, BinaryPrimitives.ReverseEndianness((uint)Command));
        return BinaryPrimitives.ReadUInt32BigEndian(command);
    }
}
