namespace Vmm.Vmx.Tests;

public sealed class EptEntryTests
{
    private const EptAccess All = EptAccess.Read | EptAccess.Write | EptAccess.Execute;

    private const EptVpidCapabilities Capabilities = EptVpidCapabilities.WalkLength4 | EptVpidCapabilities.WriteBack
        | EptVpidCapabilities.Pages2M | EptVpidCapabilities.Pages1G | EptVpidCapabilities.ExecuteOnly;

    [Fact]
    public void Pointer_encodes_memory_type_and_walk_length()
    {
        EptPointer pointer = EptPointer.Create(0x1234_5000, accessedAndDirty: true);

        Assert.Equal(0x1234_505Eul, pointer.Value);
        Assert.Equal((0x1234_5000ul, MemoryType.WriteBack, 4, true), (pointer.Address, pointer.MemoryType, pointer.Levels, pointer.AccessedAndDirty));
    }

    [Fact]
    public void Page_encodes_permissions_memory_type_and_size()
    {
        Assert.Equal(0x4000_0037ul, EptEntry.Page(0x4000_0000, All, level: 1).Value);
        Assert.Equal(0x4000_00B7ul, EptEntry.Page(0x4000_0000, All, level: 2).Value);
        Assert.Equal(0x5007ul, EptEntry.Table(0x5000).Value);
    }

    [Theory]
    [InlineData(1, 0xABC_D123ul, 0x8000_0123ul)]
    [InlineData(2, 0xABC_D123ul, 0x801C_D123ul)]
    [InlineData(3, 0xABC_D123ul, 0x8ABC_D123ul)]
    public void Page_translates_the_offset_of_its_size(int level, ulong guest, ulong host)
        => Assert.Equal(host, EptEntry.Page(0x8000_0000, All, level).Translate(level, guest));

    [Fact]
    public void Access_sets_the_flags()
    {
        EptEntry entry = EptEntry.Page(0x1000, All, level: 1);

        Assert.True(entry.WithAccess(dirty: false) is { IsAccessed: true, IsDirty: false });
        Assert.True(entry.WithAccess(dirty: true) is { IsAccessed: true, IsDirty: true });
    }

    [Theory]
    [InlineData("not present, whatever else is set", 0xFFFF_FFFF_FFFF_FFF8ul, 1, false)]
    [InlineData("write-only", 0x1032ul, 1, true)]
    [InlineData("write and execute", 0x1036ul, 1, true)]
    [InlineData("execute-only where supported", 0x1034ul, 1, false)]
    [InlineData("beyond the physical-address width", 0x0000_0100_0000_1037ul, 1, true)]
    [InlineData("bit 3 of a PML4E", 0x100Ful, 4, true)]
    [InlineData("bit 7 of a PML4E", 0x1087ul, 4, true)]
    [InlineData("bit 7 of a PTE is ignored", 0x10B7ul, 1, false)]
    [InlineData("bits 6:3 of a PDE that points to a table", 0x1047ul, 2, true)]
    [InlineData("2-MiB page at an odd 4-KiB address", 0x10B7ul, 2, true)]
    [InlineData("1-GiB page at an odd 2-MiB address", 0x20_00B7ul, 3, true)]
    [InlineData("1-GiB page", 0x4000_00B7ul, 3, false)]
    [InlineData("memory type 2", 0x1017ul, 1, true)]
    [InlineData("memory type 3", 0x101Ful, 1, true)]
    [InlineData("memory type 7", 0x103Ful, 1, true)]
    [InlineData("memory type WC", 0x100Ful, 1, false)]
    public void Misconfiguration_follows_the_rules(string what, ulong value, int level, bool misconfigured)
    {
        Assert.NotEmpty(what);
        Assert.Equal(misconfigured, new EptEntry(value).IsMisconfigured(level, physicalAddressBits: 40, Capabilities));
    }

    [Fact]
    public void Execute_only_is_a_misconfiguration_where_it_is_not_supported()
        => Assert.True(new EptEntry(0x1034).IsMisconfigured(1, 40, Capabilities & ~EptVpidCapabilities.ExecuteOnly));

    [Fact]
    public void Large_page_is_a_misconfiguration_where_its_size_is_not_supported()
    {
        Assert.True(EptEntry.Page(0x4000_0000, All, level: 3).IsMisconfigured(3, 40, Capabilities & ~EptVpidCapabilities.Pages1G));
        Assert.True(EptEntry.Page(0x4000_0000, All, level: 2).IsMisconfigured(2, 40, Capabilities & ~EptVpidCapabilities.Pages2M));
    }
}
