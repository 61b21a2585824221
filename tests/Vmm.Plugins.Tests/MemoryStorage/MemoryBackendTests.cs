using Vmm.Plugins.MemoryStorage;
using Vmm.Sdk;

namespace Vmm.Plugins.Tests.MemoryStorage;

public sealed class MemoryBackendTests
{
    private readonly MemoryBackend _disk = new(new MemoryOptions { Size = 1 << 20 });

    [Fact]
    public async Task A_new_disk_reads_as_zeros_and_takes_no_memory()
    {
        byte[] buffer = [.. Enumerable.Repeat((byte)0xff, 1024)];

        Assert.Equal(BlockStatus.Ok, await _disk.ReadAsync(2046, [buffer], default));

        Assert.All(buffer, b => Assert.Equal(0, b));
        Assert.Equal(0, _disk.AllocatedBytes);
    }

    [Fact]
    public async Task What_is_written_across_chunks_is_read_back()
    {
        byte[] data = new byte[200 * 1024], back = new byte[200 * 1024];
        new Random(1).NextBytes(data);

        Assert.Equal(BlockStatus.Ok, await _disk.WriteAsync(101, [data.AsMemory(0, 777), data.AsMemory(777)], durable: false, default));
        Assert.Equal(BlockStatus.Ok, await _disk.ReadAsync(101, [back.AsMemory(0, 512), back.AsMemory(512)], default));

        Assert.Equal(data, back);
    }

    [Fact]
    public async Task A_huge_disk_costs_what_is_written_to_it()
    {
        var disk = new MemoryBackend(new MemoryOptions { Size = 1UL << 50 });
        byte[] data = [.. Enumerable.Repeat((byte)7, 512)], back = new byte[512];
        ulong last = disk.Geometry.SectorCount - 1;

        Assert.Equal(BlockStatus.Ok, await disk.WriteAsync(last, [data], durable: false, default));
        Assert.Equal(BlockStatus.Ok, await disk.ReadAsync(last, [back], default));
        Assert.Equal(data, back);
        Assert.Equal(64 * 1024, disk.AllocatedBytes);

        Assert.Equal(BlockStatus.Ok, await disk.DiscardAsync(0, disk.Geometry.SectorCount, default));
        Assert.Equal(0, disk.AllocatedBytes);
    }

    [Fact]
    public async Task A_discard_zeroes_exactly_its_range_and_frees_whole_chunks()
    {
        byte[] data = [.. Enumerable.Repeat((byte)9, 1 << 20)], back = new byte[1 << 20];
        await _disk.WriteAsync(0, [data], durable: false, default);
        long before = _disk.AllocatedBytes;

        Assert.Equal(BlockStatus.Ok, await _disk.DiscardAsync(1, 300, default));

        await _disk.ReadAsync(0, [back], default);
        Assert.All(back[..512], b => Assert.Equal(9, b));
        Assert.All(back[512..(301 * 512)], b => Assert.Equal(0, b));
        Assert.All(back[(301 * 512)..], b => Assert.Equal(9, b));
        Assert.Equal(before - (64 * 1024), _disk.AllocatedBytes);
    }

    [Theory]
    [InlineData(2048, 512)]
    [InlineData(2047, 1024)]
    [InlineData(ulong.MaxValue, 512)]
    [InlineData(0, 100)]
    public async Task What_does_not_lie_on_the_disk_is_out_of_range(ulong sector, int length)
    {
        byte[] buffer = new byte[length];

        Assert.Equal(BlockStatus.OutOfRange, await _disk.ReadAsync(sector, [buffer], default));
        Assert.Equal(BlockStatus.OutOfRange, await _disk.WriteAsync(sector, [buffer], durable: false, default));
        Assert.Equal(BlockStatus.OutOfRange, await _disk.DiscardAsync(sector, ulong.MaxValue, default));
    }

    [Fact]
    public async Task A_read_only_disk_refuses_writes_and_discards()
    {
        var disk = new MemoryBackend(new MemoryOptions { Size = 4096, ReadOnly = true });

        Assert.Equal(BlockStatus.ReadOnly, await disk.WriteAsync(0, [new byte[512]], durable: false, default));
        Assert.Equal(BlockStatus.ReadOnly, await disk.DiscardAsync(0, 1, default));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    public void A_size_that_is_no_positive_number_of_sectors_is_refused(ulong size)
    {
        var error = Assert.Throws<ArgumentException>(() => new MemoryBackend(new MemoryOptions { Size = size }));

        Assert.Contains("multiple of 512", error.Message);
    }
}
