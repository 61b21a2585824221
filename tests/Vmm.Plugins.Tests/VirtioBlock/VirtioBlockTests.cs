using System.Buffers.Binary;
using System.Text;
using Vmm.Plugins.MemoryStorage;
using Vmm.Plugins.Tests.Nvme;
using Vmm.Plugins.VirtioBlock;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.VirtioBlock;

/// <summary>A disk as VIRTIO 1.2, 5.2, describes it.</summary>
public sealed class VirtioBlockTests
{
    private const uint In = 0, Out = 1, Flush = 4, GetId = 8, Discard = 11, WriteZeroes = 13;
    private const byte Ok = 0, IoError = 1, Unsupported = 2;
    private const ulong FlushFeature = 1 << 9;

    private readonly FakeBoard _board = new() { Name = "disk0" };
    private readonly FakeVirtioTransport _driver;

    public VirtioBlockTests() => _driver = new FakeVirtioTransport(_board);

    [Fact]
    public void What_is_written_is_read_back()
    {
        Start();
        byte[] data = Pattern(3 * 512);
        Assert.Equal(Ok, Run(Out, 5, data).Status);
        (byte status, byte[] back) = Run(In, 5, [], data.Length);
        Assert.Equal(Ok, status);
        Assert.Equal(data, back);
    }

    [Fact]
    public void A_request_may_be_cut_into_parts_anywhere()
    {
        Start();
        byte[] data = Pattern(512);
        byte[] request = [.. Header(Out, 7), .. data];
        RingPart status = _driver.Room(1);
        _driver.Ring(0).Add(_driver.Place(request.AsSpan(0, 3)), _driver.Place(request.AsSpan(3, 100)), _driver.Place(request.AsSpan(103)), status);
        _driver.Notify(0);
        Assert.True(_driver.Ring(0).TryTakeUsed(out _));
        Assert.Equal(Ok, _driver.Content(status)[0]);

        RingPart first = _driver.Room(500), rest = _driver.Room(13);
        _driver.Ring(0).Add(_driver.Place(Header(In, 7)), first, rest);
        _driver.Notify(0);
        Assert.True(_driver.Ring(0).TryTakeUsed(out UsedChain used));
        Assert.Equal(513u, used.Written);
        Assert.Equal([.. data, Ok], [.. _driver.Content(first), .. _driver.Content(rest)]);
    }

    [Fact]
    public void The_configuration_tells_size_and_limits()
    {
        VirtioBlockDevice device = Start();
        Assert.Equal(2048u, device.ReadConfiguration(0, AccessWidth.DoubleWord));
        Assert.Equal(254u, device.ReadConfiguration(12, AccessWidth.DoubleWord));
        Assert.Equal(512u, device.ReadConfiguration(20, AccessWidth.DoubleWord));
    }

    [Fact]
    public void Sectors_of_4096_bytes_are_addressed_in_units_of_512()
    {
        var backend = new RecordingBackend { Geometry = new BlockGeometry(4096, 16, ReadOnly: false) };
        VirtioBlockDevice device = Start(backend);
        Assert.Equal(128u, device.ReadConfiguration(0, AccessWidth.DoubleWord));
        Assert.Equal(4096u, device.ReadConfiguration(20, AccessWidth.DoubleWord));
        Assert.Equal(Ok, Run(In, 24, [], 4096).Status);
        Assert.Equal(IoError, Run(In, 25, [], 4096).Status);
        Assert.Equal(IoError, Run(In, 24, [], 512).Status);
        Assert.Equal(["read 3"], backend.Calls);
    }

    [Theory]
    [InlineData(2048)]
    [InlineData(2047)]
    [InlineData(ulong.MaxValue)]
    public void A_range_beyond_the_disk_is_an_error(ulong sector)
    {
        Start();
        Assert.Equal(IoError, Run(In, sector, [], 1024).Status);
        Assert.Equal(IoError, Run(Out, sector, new byte[1024]).Status);
    }

    [Fact]
    public void The_identity_is_the_serial_number()
    {
        Start(options: new VirtioBlockOptions { Serial = "SN-1" });
        (byte status, byte[] id) = Run(GetId, 0, [], 20);
        Assert.Equal(Ok, status);
        Assert.Equal("SN-1", Encoding.ASCII.GetString(id).TrimEnd('\0'));
    }

    [Fact]
    public void Zeros_are_written_and_ranges_are_discarded()
    {
        Start();
        Run(Out, 0, Pattern(8 * 512));
        Assert.Equal(Ok, Run(WriteZeroes, 0, Range(2, 3, flags: 1)).Status);
        byte[] back = Run(In, 0, [], 8 * 512).Data;
        Assert.All(back[1024..2560], b => Assert.Equal(0, b));
        Assert.Equal(Pattern(8 * 512)[..1024], back[..1024]);
        Assert.Equal(Ok, Run(Discard, 0, [.. Range(0, 2), .. Range(6, 2)]).Status);
        Assert.Equal(Unsupported, Run(Discard, 0, Range(0, 1, flags: 1)).Status);
        Assert.Equal(IoError, Run(Discard, 0, Range(2047, 2)).Status);
        Assert.Equal(IoError, Run(Discard, 0, new byte[15]).Status);
        Assert.Equal(IoError, Run(WriteZeroes, 0, Range(0, 1 << 30)).Status);
    }

    [Fact]
    public void A_disk_that_is_read_only_says_so_and_refuses_writes()
    {
        VirtioBlockDevice device = Start(new MemoryBackend(new MemoryOptions { Size = 1 << 20, ReadOnly = true }));
        Assert.NotEqual(0UL, device.Identity.Features & (1 << 5));
        Assert.Equal(IoError, Run(Out, 0, new byte[512]).Status);
        Assert.Equal(IoError, Run(WriteZeroes, 0, Range(0, 1)).Status);
        Assert.Equal(IoError, Run(Discard, 0, Range(0, 1)).Status);
        Assert.Equal(Ok, Run(In, 0, [], 512).Status);
    }

    [Fact]
    public void A_backend_that_cannot_discard_offers_none()
    {
        VirtioBlockDevice device = Start(new RecordingBackend());
        Assert.Equal(0UL, device.Identity.Features & (1 << 13));
        Assert.Equal(Unsupported, Run(Discard, 0, Range(0, 1)).Status);
    }

    [Fact]
    public void A_driver_without_flush_gets_durable_writes()
    {
        var backend = new RecordingBackend();
        Start(backend, features: ~FlushFeature);
        Run(Out, 1, new byte[512]);
        _driver.Reset();
        _driver.Resume(_device!);
        Run(Out, 2, new byte[512]);
        Run(Flush, 0, []);
        Assert.Equal(["write 1 durable", "write 2", "flush"], backend.Calls);
    }

    [Fact]
    public void Unknown_and_truncated_requests_are_answered()
    {
        Start();
        Assert.Equal(Unsupported, Run(99, 0, []).Status);
        Assert.Equal(IoError, _driver.Request(0, new byte[15], 1).Content[0]);
        Assert.Equal(IoError, _driver.Request(0, [], 1).Content[0]);
    }

    [Fact]
    public void A_request_without_room_for_a_status_requires_a_reset()
    {
        Start();
        _driver.Ring(0).Add(_driver.Place(Header(Flush, 0)));
        _driver.Notify(0);
        Assert.Contains("status", _driver.ResetReason);
    }

    [Fact]
    public void Requests_that_end_later_come_back_in_the_order_in_which_they_end()
    {
        var backend = new GatedBackend();
        Start(backend);
        ushort first = _driver.Ring(0).Add(_driver.Place(Header(In, 0)), _driver.Room(513));
        ushort second = _driver.Ring(0).Add(_driver.Place(Header(In, 1)), _driver.Room(513));
        _driver.Notify(0);
        Assert.Equal(2, backend.Requests);
        backend.Finish(1);
        Assert.True(_board.RunPostedUntil(() => _driver.Outstanding(0) == 1, TimeSpan.FromSeconds(20)));
        Assert.True(_driver.Ring(0).TryTakeUsed(out UsedChain used));
        Assert.Equal(second, used.Head);
        backend.Fail(0, new IOException("gone"));
        Assert.True(_board.RunPostedUntil(() => _driver.Outstanding(0) == 0, TimeSpan.FromSeconds(20)));
        Assert.True(_driver.Ring(0).TryTakeUsed(out used));
        Assert.Equal(first, used.Head);
        Assert.Contains(_board.Log.Entries, message => message.Message.Contains("gone", StringComparison.Ordinal));
    }

    [Fact]
    public void A_reset_cancels_and_gives_everything_back()
    {
        var backend = new GatedBackend();
        Start(backend);
        _driver.Ring(0).Add(_driver.Place(Header(In, 0)), _driver.Room(513));
        _driver.Notify(0);
        _driver.Reset();
        Assert.True(backend.LastCancellation.IsCancellationRequested);
        Assert.Equal(1, _driver.Outstanding(0));
        backend.Finish(0, BlockStatus.Cancelled);
        Assert.True(_board.RunPostedUntil(() => _driver.Outstanding(0) == 0, TimeSpan.FromSeconds(20)));
        Assert.False(_driver.Ring(0).TryTakeUsed(out _));
    }

    private VirtioBlockDevice? _device;

    private static byte[] Pattern(int length) => [.. Enumerable.Range(0, length).Select(i => (byte)(i * 7))];

    private static byte[] Header(uint type, ulong sector)
    {
        byte[] header = new byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), sector);
        return header;
    }

    private static byte[] Range(ulong sector, uint count, uint flags = 0)
    {
        byte[] range = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(range, sector);
        BinaryPrimitives.WriteUInt32LittleEndian(range.AsSpan(8), count);
        BinaryPrimitives.WriteUInt32LittleEndian(range.AsSpan(12), flags);
        return range;
    }

    private VirtioBlockDevice Start(IBlockBackend? backend = null, VirtioBlockOptions? options = null, ulong features = ulong.MaxValue) =>
        _device = _driver.Start(
            new VirtioBlockDevice(options ?? new(), _board, _driver, backend ?? new MemoryBackend(new MemoryOptions { Size = 1 << 20 })), features);

    private (byte Status, byte[] Data) Run(uint type, ulong sector, byte[] data, int room = 0)
    {
        (byte[] content, uint written) = _driver.Request(0, [.. Header(type, sector), .. data], room + 1);
        Assert.Equal((uint)content.Length, written);
        return (content[^1], content[..^1]);
    }

    /// <summary>A backend without abilities that writes down what it is asked.</summary>
    private sealed class RecordingBackend : IBlockBackend
    {
        public BlockGeometry Geometry { get; init; } = new(512, 2048, ReadOnly: false);

        public List<string> Calls { get; } = [];

        public ValueTask<BlockStatus> ReadAsync(ulong sector, IReadOnlyList<Memory<byte>> buffers, CancellationToken cancellation) => Note($"read {sector}");

        public ValueTask<BlockStatus> WriteAsync(ulong sector, IReadOnlyList<ReadOnlyMemory<byte>> buffers, bool durable, CancellationToken cancellation) =>
            Note($"write {sector}{(durable ? " durable" : "")}");

        public ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation) => Note("flush");

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private ValueTask<BlockStatus> Note(string call)
        {
            Calls.Add(call);
            return new(BlockStatus.Ok);
        }
    }
}
