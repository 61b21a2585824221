namespace Vmm.Kernel.Tests;

public sealed class ShadowMemoryTests : IDisposable
{
    private const ulong Start = 0xC_0000, Length = 0x4_0000, Firmware = 0xE_0000;
    private const ShadowAccess ReadWrite = ShadowAccess.Read | ShadowAccess.Write;

    private readonly GuestMemory _memory = new();
    private readonly ShadowMemory _shadow;

    public ShadowMemoryTests()
    {
        byte[] rom = new byte[0x4_0000];
        rom.AsSpan(0x2_0000).Fill(0xB1);
        GuestMemoryRegion region = _memory.AddRom("firmware", 0xFFFC_0000, rom);
        _shadow = _memory.AddShadow("shadow", Start, Length, region, 0x2_0000);
    }

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void At_first_the_end_of_the_ROM_shows_and_nothing_before_it()
    {
        Assert.Equal(0xB1, Read(Firmware));
        Assert.Equal(0xB1, Read(0xF_FFFF));
        Assert.Null(_memory.Find(Firmware - 1, 1));
        Assert.False(_memory.TryWrite(Firmware, [1]));
    }

    [Fact]
    public void RAM_shows_where_it_is_told_to_and_keeps_its_content_while_it_does_not()
    {
        _shadow.Set(0xF_0000, 0x1_0000, ReadWrite);
        Assert.True(_memory.TryWrite(0xF_0000, [0x77]));
        Assert.Equal(0xB1, Read(Firmware));

        _shadow.Set(0xF_0000, 0x1_0000, ShadowAccess.None);
        Assert.Equal(0xB1, Read(0xF_0000));

        _shadow.Set(0xF_0000, 0x4000, ReadWrite);
        Assert.Equal(0x77, Read(0xF_0000));
        Assert.Equal(0xB1, Read(0xF_4000));
    }

    [Fact]
    public void RAM_that_can_only_be_read_stays_as_it_is()
    {
        _shadow.Set(Start, Length, ReadWrite);
        _memory.TryWrite(0xC_8000, [0x55]);
        _shadow.Set(Start, Length, ShadowAccess.Read);

        Assert.False(_memory.TryWrite(0xC_8000, [0x66]));
        Assert.Equal(0x55, Read(0xC_8000));
        Assert.True(_memory.Find(0xC_8000, 1)!.Physical.ReadOnly);
    }

    [Fact]
    public void A_change_is_one_change_of_the_map_and_no_change_is_none()
    {
        int changes = 0;
        _memory.Changed += () => changes++;
        _shadow.Set(Start, Length, ReadWrite);
        _shadow.Set(Firmware, 0x4000, ReadWrite);
        Assert.Equal(1, changes);
    }

    [Fact]
    public void Each_segment_has_dirty_pages_of_its_own()
    {
        _shadow.Set(Start, Length, ReadWrite);
        _memory.DirtyTracking = true;
        _memory.TryWrite(0xF_5000, [1]);

        Assert.Equal([0b10UL], GuestMemory.CollectDirtyPages(_memory.Find(0xF_4000, 1)!));
        Assert.Equal([0UL], GuestMemory.CollectDirtyPages(_memory.Find(0xF_0000, 1)!));
    }

    [Fact]
    public void What_is_restored_shows_the_same_and_has_the_same_behind_it()
    {
        _shadow.Set(0xF_0000, 0x1_0000, ReadWrite);
        _memory.TryWrite(0xF_0000, [0x77]);
        _memory.TryWrite(0xF_4000, [0x78]);
        _shadow.Set(0xF_0000, 0x4000, ShadowAccess.None);
        _shadow.Set(0xF_4000, 0x4000, ShadowAccess.Read);
        StateWriter saved = new();
        _shadow.Save(saved);

        using ShadowMemoryTests other = new();
        other._shadow.ShowRam();
        other._shadow.Restore(new StateReader(saved.ToArray(), 1, "shadow"));
        Assert.Equal(_memory.Map.Select(region => (region.Address, region.Kind)), other._memory.Map.Select(region => (region.Address, region.Kind)));
        Assert.Equal(0xB1, other.Read(0xF_0000));
        Assert.Equal(0x78, other.Read(0xF_4000));
        Assert.False(other._memory.TryWrite(0xF_4000, [1]));
        other._shadow.Set(0xF_0000, 0x4000, ReadWrite);
        Assert.Equal(0x77, other.Read(0xF_0000));
    }

    [Fact]
    public void State_of_shadow_memory_that_is_impossible_is_refused()
    {
        StateWriter saved = new();
        saved.Bytes(1, [4, .. new byte[15]]);
        saved.Bytes(2, new byte[Length]);
        Assert.Throws<StateException>(() => _shadow.Restore(new StateReader(saved.ToArray(), 1, "shadow")));
    }

    [Theory]
    [InlineData(0xB_C000, 0x4000)]
    [InlineData(0xF_C000, 0x8000)]
    [InlineData(0xC_1000, 0x4000)]
    [InlineData(0xC_0000, 0x1000)]
    public void A_range_that_is_not_whole_segments_is_a_mistake_of_the_caller(ulong address, ulong length) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => _shadow.Set(address, length, ShadowAccess.Read));

    private byte Read(ulong address)
    {
        byte[] value = new byte[1];
        Assert.True(_memory.TryRead(address, value));
        return value[0];
    }
}
