namespace Vmm.Kernel.Tests;

public sealed class GuestMemoryTests : IDisposable
{
    private readonly GuestMemory _memory = new();

    public void Dispose() => _memory.Dispose();

    [Theory]
    [InlineData(0ul, "is 0")]
    [InlineData(4097ul, "not a multiple of 4 KiB")]
    [InlineData(1ul << 50, "more than this host")]
    public void An_impossible_size_is_refused_with_its_reason(ulong bytes, string reason)
    {
        var exception = Assert.Throws<MemoryConfigurationException>(() => GuestMemory.CheckSize(bytes));
        Assert.Contains(reason, exception.Message);
    }

    [Fact]
    public void Overlapping_regions_are_refused_with_both_names()
    {
        _memory.AddRam("low", 0, 0x10000);
        var exception = Assert.Throws<MemoryConfigurationException>(() => _memory.AddRam("more", 0xF000, 0x10000));
        Assert.Contains("'low'", exception.Message);
        Assert.Contains("'more'", exception.Message);
    }

    [Fact]
    public void What_is_written_across_two_adjacent_regions_is_read_back()
    {
        _memory.AddRam("a", 0, 0x1000);
        _memory.AddRam("b", 0x1000, 0x1000);
        byte[] data = [1, 2, 3, 4];
        Assert.True(_memory.TryWrite(0xFFE, data));
        var back = new byte[4];
        Assert.True(_memory.TryRead(0xFFE, back));
        Assert.Equal(data, back);
    }

    [Fact]
    public void A_range_that_is_not_wholly_memory_is_refused_with_nothing_done()
    {
        _memory.AddRam("a", 0, 0x1000);
        Assert.False(_memory.TryWrite(0xFFE, [1, 2, 3]));
        var back = new byte[2];
        Assert.True(_memory.TryRead(0xFFE, back));
        Assert.Equal(new byte[2], back);
        Assert.False(_memory.TryRead(ulong.MaxValue - 1, new byte[4]));
        Assert.False(_memory.TryPin(0xFFF, 2, GuestAccess.Read, out _));
        Assert.False(_memory.TryPin(0, 0, GuestAccess.Read, out _));
    }

    [Fact]
    public void Rom_is_read_only_and_filled_up_with_ones()
    {
        _memory.AddRom("bios", 0xF_F000, [0xEA, 0x5B]);
        var back = new byte[3];
        Assert.True(_memory.TryRead(0xF_F000, back));
        Assert.Equal([0xEA, 0x5B, 0xFF], back);
        Assert.False(_memory.TryWrite(0xF_F000, [1]));
        Assert.False(_memory.TryPin(0xF_F000, 1, GuestAccess.Write, out _));
        Assert.True(_memory.TryLoad(0xF_F000, [1]));
    }

    [Fact]
    public void An_alias_shows_its_target()
    {
        _memory.AddRom("bios", 0xFFFF_0000, new byte[0x1_0000]);
        _memory.AddAlias("bios below 1 MiB", 0xF_0000, 0xFFFF_0000, 0x1_0000);
        _memory.TryLoad(0xFFFF_FFF0, [0x42]);
        var back = new byte[1];
        Assert.True(_memory.TryRead(0xF_FFF0, back));
        Assert.Equal(0x42, back[0]);
    }

    [Fact]
    public void Writes_mark_pages_dirty_only_while_somebody_wants_to_know()
    {
        GuestMemoryRegion ram = _memory.AddRam("a", 0x10000, 0x80000);
        _memory.TryWrite(0x10000, [1]);
        Assert.All(GuestMemory.CollectDirtyPages(ram), bits => Assert.Equal(0UL, bits));
        _memory.DirtyTracking = true;
        _memory.TryWrite(0x11FFF, [1, 2]);
        Assert.True(_memory.TryPin(0x50000, 1, GuestAccess.Write, out _));
        Assert.Equal([0b110UL, 1UL], GuestMemory.CollectDirtyPages(ram));
        Assert.Equal([0UL, 0UL], GuestMemory.CollectDirtyPages(ram));
    }

    [Fact]
    public void A_pinned_range_is_the_memory_itself()
    {
        _memory.AddRam("a", 0, 0x2000);
        Assert.True(_memory.TryPin(0x800, 0x1000, GuestAccess.Write, out Memory<byte> pinned));
        pinned.Span[0x7FF] = 0x99;
        var back = new byte[1];
        _memory.TryRead(0xFFF, back);
        Assert.Equal(0x99, back[0]);
    }

    [Fact]
    public void A_pinned_range_outlives_its_memory()
    {
        Memory<byte> pinned = PinAndDispose();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        pinned.Span.Fill(0x5A);
        Assert.Equal(0x5A, pinned.Span[^1]);
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static Memory<byte> PinAndDispose()
    {
        using var memory = new GuestMemory();
        memory.AddRam("ram", 0, 0x10_0000);
        Assert.True(memory.TryPin(0, 0x10_0000, GuestAccess.Write, out Memory<byte> pinned));
        pinned.Span.Fill(1);
        return pinned;
    }
}
