using Vmm.Plugins.RawStorage;
using Vmm.Sdk;

namespace Vmm.Plugins.Tests.RawStorage;

public sealed class RawBackendTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public RawBackendTests() => SetLength(64 * 512);

    public void Dispose() => File.Delete(_path);

    [Fact]
    public async Task What_is_written_in_pieces_is_read_back_in_other_pieces()
    {
        await using var disk = Open();
        byte[] data = Pattern(8 * 512);

        Assert.Equal(BlockStatus.Ok, await disk.WriteAsync(3, [data.AsMemory(0, 100), data.AsMemory(100, 3996)], durable: false, default));

        byte[] first = new byte[2000], second = new byte[2096];
        Assert.Equal(BlockStatus.Ok, await disk.ReadAsync(3, [first, second], default));
        Assert.Equal(data, (byte[])[.. first, .. second]);
    }

    [Fact]
    public async Task Sectors_stand_in_the_file_at_their_number_times_512()
    {
        byte[] data = Pattern(512);
        await using (var disk = Open())
        {
            Assert.Equal(BlockStatus.Ok, await disk.WriteAsync(5, [data], durable: true, default));
        }

        Assert.Equal(data, File.ReadAllBytes(_path)[(5 * 512)..(6 * 512)]);
    }

    [Fact]
    public async Task More_buffers_than_one_system_call_takes_are_transferred_all()
    {
        await using var disk = Open();
        byte[] data = Pattern(16 * 512);
        ReadOnlyMemory<byte>[] written = [.. Enumerable.Range(0, 4096).Select(i => (ReadOnlyMemory<byte>)data.AsMemory(i * 2, 2))];
        byte[] back = new byte[data.Length];
        Memory<byte>[] read = [.. Enumerable.Range(0, 2048).Select(i => back.AsMemory(i * 4, 4))];

        Assert.Equal(BlockStatus.Ok, await disk.WriteAsync(0, written, durable: false, default));
        Assert.Equal(BlockStatus.Ok, await disk.ReadAsync(0, read, default));

        Assert.Equal(data, back);
    }

    [Theory]
    [InlineData(64, 512)]
    [InlineData(63, 1024)]
    [InlineData(0, 65 * 512)]
    [InlineData(ulong.MaxValue, 512)]
    [InlineData(ulong.MaxValue / 512, 512)]
    [InlineData(1UL << 55, 1024)]
    public async Task Sectors_beyond_the_end_are_out_of_range(ulong sector, int length)
    {
        await using var disk = Open();
        byte[] buffer = new byte[length];

        Assert.Equal(BlockStatus.OutOfRange, await disk.ReadAsync(sector, [buffer], default));
        Assert.Equal(BlockStatus.OutOfRange, await disk.WriteAsync(sector, [buffer], durable: false, default));
        Assert.Equal(BlockStatus.OutOfRange, await disk.DiscardAsync(sector, (ulong)length / 512, default));
        Assert.Equal(64 * 512, new FileInfo(_path).Length);
    }

    [Fact]
    public async Task A_discard_of_more_sectors_than_a_number_holds_is_out_of_range()
    {
        await using var disk = Open();

        Assert.Equal(BlockStatus.OutOfRange, await disk.DiscardAsync(1, ulong.MaxValue, default));
    }

    [Fact]
    public async Task A_discarded_range_reads_as_zeros_or_as_before_and_its_neighbours_are_untouched()
    {
        SetLength(1 << 20);
        await using var disk = Open();
        byte[] data = Pattern(1 << 20);
        await disk.WriteAsync(0, [data], durable: false, default);

        Assert.Equal(BlockStatus.Ok, await disk.DiscardAsync(8, 1024, default));

        byte[] back = new byte[1 << 20];
        await disk.ReadAsync(0, [back], default);
        Assert.Equal(data[..4096], back[..4096]);
        Assert.Equal(data[(1032 * 512)..], back[(1032 * 512)..]);
        byte[] discarded = back[4096..(1032 * 512)];
        Assert.True(discarded.All(b => b == 0) || discarded.SequenceEqual(data[4096..(1032 * 512)]));
    }

    [Fact]
    public async Task A_read_only_disk_refuses_writes_and_discards()
    {
        await using var disk = Open(readOnly: true);
        byte[] buffer = new byte[512];

        Assert.True(disk.Geometry.ReadOnly);
        Assert.Equal(BlockStatus.Ok, await disk.ReadAsync(0, [buffer], default));
        Assert.Equal(BlockStatus.ReadOnly, await disk.WriteAsync(0, [buffer], durable: false, default));
        Assert.Equal(BlockStatus.ReadOnly, await disk.DiscardAsync(0, 1, default));
        Assert.Equal(BlockStatus.Ok, await disk.FlushAsync(default));
    }

    [Theory]
    [InlineData(CacheMode.WriteBack)]
    [InlineData(CacheMode.WriteThrough)]
    [InlineData(CacheMode.Unsafe)]
    public async Task Every_cache_mode_writes_flushes_and_reads_back(CacheMode cache)
    {
        await using var disk = new RawBackend(new RawOptions { Path = _path, Cache = cache });
        byte[] data = Pattern(512), back = new byte[512];

        Assert.Equal(BlockStatus.Ok, await disk.WriteAsync(1, [data], durable: true, default));
        Assert.Equal(BlockStatus.Ok, await disk.FlushAsync(default));
        Assert.Equal(BlockStatus.Ok, await disk.ReadAsync(1, [back], default));

        Assert.Equal(data, back);
    }

    [Fact]
    public async Task A_cancelled_request_says_so()
    {
        await using var disk = Open();

        Assert.Equal(BlockStatus.Cancelled, await disk.ReadAsync(0, [new byte[512]], new CancellationToken(canceled: true)));
        Assert.Equal(BlockStatus.Cancelled, await disk.FlushAsync(new CancellationToken(canceled: true)));
    }

    [Fact]
    public async Task A_file_cut_short_behind_the_disk_is_a_medium_error()
    {
        await using var disk = Open();
        // The lock is advisory: a program that does not ask for it gets through.
        using (var truncate = System.Diagnostics.Process.Start("truncate", ["-s", "512", _path]))
        {
            await truncate.WaitForExitAsync();
        }

        Assert.Equal(BlockStatus.MediumError, await disk.ReadAsync(0, [new byte[1024]], default));
    }

    [Fact]
    public async Task A_second_writer_is_refused_and_told_why()
    {
        await using var disk = Open();

        Assert.Contains($"'{_path}' is in use by another virtual machine", RefusalOf(readOnly: false));
        Assert.Contains($"'{_path}' is in use by another virtual machine", RefusalOf(readOnly: true));
    }

    [Fact]
    public async Task Readers_share_an_image_and_keep_writers_out()
    {
        await using var one = Open(readOnly: true);
        await using var two = Open(readOnly: true);

        Assert.Contains("in use", RefusalOf(readOnly: false));
    }

    [Fact]
    public async Task The_lock_ends_with_the_disk()
    {
        await Open().DisposeAsync();

        await using var again = Open();
        Assert.Equal(64ul, again.Geometry.SectorCount);
    }

    [Fact]
    public void A_missing_file_is_named_and_the_way_to_make_one_given()
    {
        var error = Assert.Throws<IOException>(() => new RawBackend(new RawOptions { Path = "/nowhere/disk.img" }));

        Assert.Contains("'/nowhere/disk.img' does not exist", error.Message);
        Assert.Contains("truncate -s", error.Message);
    }

    [Fact]
    public void A_directory_is_no_image()
    {
        var error = Assert.Throws<IOException>(() => new RawBackend(new RawOptions { Path = Path.GetTempPath() }));

        Assert.Contains("is a directory", error.Message);
    }

    [Fact]
    public void A_length_that_is_no_whole_number_of_sectors_is_refused()
    {
        SetLength(1000);

        Assert.Contains("1000 bytes, which is not a whole number of 512-byte sectors", RefusalOf(readOnly: false));
        Assert.DoesNotContain("in use", RefusalOf(readOnly: false));
    }

    [Fact]
    public void An_empty_file_is_refused()
    {
        SetLength(0);

        Assert.Contains("is empty", RefusalOf(readOnly: false));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(32)]
    [InlineData(33)]
    public async Task Reads_of_cached_data_have_the_right_content_in_any_number_of_buffers(int count)
    {
        await using var disk = Open();
        byte[] data = Pattern(33 * 512), back = new byte[33 * 512];
        await disk.WriteAsync(2, [data], durable: false, default);
        Memory<byte>[] buffers = [.. Enumerable.Range(0, count).Select(i => back.AsMemory(i * 512, 512))];

        Assert.Equal(BlockStatus.Ok, await disk.ReadAsync(2, buffers, default));

        Assert.Equal(data[..(count * 512)], back[..(count * 512)]);
    }

    [Fact]
    public async Task Requests_that_overlap_in_time_do_not_disturb_each_other()
    {
        SetLength(1 << 20);
        await using var disk = Open();
        byte[] data = Pattern(1 << 20);

        await Task.WhenAll(Enumerable.Range(0, 256).Select(async i =>
            Assert.Equal(BlockStatus.Ok, await disk.WriteAsync((ulong)i * 8, [data.AsMemory(i * 4096, 4096)], durable: false, default))));
        byte[] back = new byte[1 << 20];
        await Task.WhenAll(Enumerable.Range(0, 256).Select(async i =>
            Assert.Equal(BlockStatus.Ok, await disk.ReadAsync((ulong)i * 8, [back.AsMemory(i * 4096, 4096)], default))));

        Assert.Equal(data, back);
    }

    private static byte[] Pattern(int length)
    {
        byte[] data = new byte[length];
        new Random(length).NextBytes(data);
        return data;
    }

    private RawBackend Open(bool readOnly = false) => new(new RawOptions { Path = _path, ReadOnly = readOnly });

    private string RefusalOf(bool readOnly) => Assert.Throws<IOException>(() => Open(readOnly)).Message;

    private void SetLength(long length)
    {
        using var file = File.OpenWrite(_path);
        file.SetLength(length);
    }
}
