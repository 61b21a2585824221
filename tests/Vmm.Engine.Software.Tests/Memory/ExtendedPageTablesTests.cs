using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.Tests.Harness;

namespace Vmm.Engine.Software.Tests.Memory;

/// <summary>The second dimension of translation (SDM Vol. 3C 29.3).</summary>
public sealed unsafe class ExtendedPageTablesTests : IDisposable
{
    private const ulong WriteBack = 6 << 3;
    private const ulong All = 7 | WriteBack;
    private const ulong Linear = 0x3000_0000;

    private readonly TestMachine _machine = new();
    private readonly PageTables _tables;
    private readonly ulong _root;

    public ExtendedPageTablesTests()
    {
        _tables = new PageTables(_machine);
        _root = _tables.Allocate();
        for (ulong page = 0; page < 4 << 20; page += 0x20_0000)
        {
            _tables.MapEpt(_root, page, page, All, level: 1);
        }
    }

    private void Enable(ulong flags = 0) => _machine.Processor.Mmu.EptPointer = _root | 3 << 3 | 6 | flags;

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Guest_physical_addresses_are_translated()
    {
        _tables.MapEpt(_root, Linear, 0x5000, All);
        _machine.Memory.Bytes[0x5001] = 0x42;
        Enable();
        Assert.Equal(0x42, _machine.Load<byte>(Linear + 1));
    }

    [Fact]
    public void A_load_or_store_through_an_absent_entry_exits_with_its_data()
    {
        Enable();
        _machine.DeviceValue = 0x5A;
        Assert.Equal(0x5A, _machine.Load<byte>(Linear));
        Assert.True(LinearMemory.Store(_machine.State, Linear, (byte)1));
        Assert.Equal(
            [new DeviceAccess(false, Linear, Linear, 1, 0x5A), new DeviceAccess(true, Linear, Linear, 1, 1)],
            _machine.DeviceAccesses);
    }

    [Fact]
    public void A_store_to_a_read_only_page_exits_with_its_data_and_leaves_memory_alone()
    {
        _tables.MapEpt(_root, Linear, 0x5000, 5 | WriteBack);
        Enable();
        _machine.Load<byte>(Linear);
        Assert.Empty(_machine.DeviceAccesses);
        Assert.True(LinearMemory.Store(_machine.State, Linear, (byte)1));
        Assert.Equal([new DeviceAccess(true, Linear, Linear, 1, 1)], _machine.DeviceAccesses);
        Assert.Equal(0, _machine.Memory.Bytes[0x5000]);
    }

    [Fact]
    public void A_paging_structure_that_EPT_hides_is_a_violation_of_the_walk()
    {
        Enable();
        _tables.Entry(TestMachine.PageTables + 0x1000, 0) = 0x3000_0000 | 7;
        _machine.Processor.Mmu.FlushAll();
        Assert.False(LinearMemory.Load(_machine.State, TestMachine.DataAddress, out byte _));
        Assert.Equal(0x81UL, _machine.EptQualification);
    }

    [Theory]
    [InlineData(2 | WriteBack)]
    [InlineData(7 | 2 << 3)]
    [InlineData(7 | WriteBack | 1UL << 50)]
    public void Settings_that_are_reserved_are_misconfigurations(ulong flags)
    {
        _tables.MapEpt(_root, Linear, 0x5000, flags);
        Enable();
        Assert.False(LinearMemory.Load(_machine.State, Linear, out byte _));
        Assert.True(_machine.EptMisconfigured);
    }

    [Fact]
    public void Accessed_and_dirty_bits_are_set_when_the_pointer_enables_them()
    {
        ulong entry = _tables.MapEpt(_root, Linear, 0x5000, All);
        Enable(1 << 6);
        _machine.Load<byte>(Linear);
        Assert.Equal(1UL << 8, _tables.Entry(entry, 0) & 0x300);
        _machine.Store<byte>(Linear, 1);
        Assert.Equal(3UL << 8, _tables.Entry(entry, 0) & 0x300);
    }
}
