using System.Buffers.Binary;

namespace Vmm.Kernel.Tests;

public sealed class ExtendedPageTableTests : IDisposable
{
    private readonly GuestMemory _memory = new();
    private readonly FakeMachine _machine = new();

    public void Dispose()
    {
        _machine.Dispose();
        _memory.Dispose();
    }

    [Fact]
    public void Memory_maps_to_itself_with_the_largest_pages_and_devices_are_absent()
    {
        _memory.AddRam("low", 0, 0xA_0000);
        _memory.AddRam("main", 0x10_0000, 0x50_0000);
        EptPointer pointer = Build();
        Assert.Equal((0x9_F000UL, 1, EptAccess.Read | EptAccess.Write | EptAccess.Execute), Walk(pointer, 0x9_F000));
        Assert.Null(Walk(pointer, 0xA_0000));
        Assert.Equal(1, Walk(pointer, 0x10_0000)!.Value.Level);
        Assert.Equal((0x20_0000UL, 2, EptAccess.Read | EptAccess.Write | EptAccess.Execute), Walk(pointer, 0x20_0000));
        Assert.Null(Walk(pointer, 0x60_0000));
        Assert.Null(Walk(pointer, 0xFEE0_0000));
    }

    [Fact]
    public void Pages_of_1_gib_are_used_where_the_engine_has_them()
    {
        _memory.AddRam("huge", 1UL << 32, 1UL << 30);
        Assert.Equal(3, Walk(Build(), 1UL << 32)!.Value.Level);
        Assert.Equal(2, Walk(Build(EptVpidCapabilities.Pages2M), 1UL << 32)!.Value.Level);
    }

    [Fact]
    public void Rom_can_be_read_and_executed_only()
    {
        _memory.AddRom("bios", 0xFFFF_0000, new byte[0x1_0000]);
        Assert.Equal(EptAccess.Read | EptAccess.Execute, Walk(Build(), 0xFFFF_F000)!.Value.Access);
    }

    [Fact]
    public void An_alias_maps_to_its_target()
    {
        _memory.AddRom("bios", 0xFFFF_0000, new byte[0x1_0000]);
        _memory.AddAlias("shadow", 0xF_0000, 0xFFFF_0000, 0x1_0000);
        Assert.Equal(0xFFFF_1000UL, Walk(Build(), 0xF_1000)!.Value.Target);
    }

    [Fact]
    public void A_closed_a20_gate_shows_the_even_megabytes_in_the_odd_ones()
    {
        _memory.AddRam("ram", 0, 0x40_0000);
        EptPointer pointer = Build(addressLine20: false);
        Assert.Equal(0x0000_0000UL, Walk(pointer, 0x10_0000)!.Value.Target);
        Assert.Equal(0x000F_F000UL, Walk(pointer, 0x1F_F000)!.Value.Target);
        Assert.Equal(0x0020_3000UL, Walk(pointer, 0x30_3000)!.Value.Target);
        Assert.Equal(0x0020_3000UL, Walk(pointer, 0x20_3000)!.Value.Target);
    }

    [Fact]
    public void Pages_of_old_tables_are_used_again_once_no_processor_uses_them()
    {
        _memory.AddRam("ram", 0, 0x1000);
        var tables = new ExtendedPageTables(_machine, _memory, EptVpidCapabilities.None);
        tables.Rebuild(true, 0);
        for (int i = 0; i < 10; i++)
        {
            tables.Rebuild(true, tables.Generation);
        }

        Assert.InRange(_machine.Pages.Count, 4, 12);
    }

    [Fact]
    public void A_running_processor_moves_to_the_new_tables()
    {
        using var bench = new TestBench();
        bench.Machine.Start();
        ulong before = bench.Processor[VmcsField.EptPointer];
        bench.Memory.AddRam("more", 1UL << 32, 0x1000);
        bench.Processor.RunExit(new VmExit { Reason = ExitReason.ExternalInterrupt });
        Assert.NotEqual(before, bench.Processor[VmcsField.EptPointer]);
        Assert.False(bench.Machine.Processors[0].IsMemoryMapStale);
    }

    private EptPointer Build(EptVpidCapabilities capabilities = EptVpidCapabilities.Pages2M | EptVpidCapabilities.Pages1G, bool addressLine20 = true)
    {
        var tables = new ExtendedPageTables(_machine, _memory, capabilities);
        tables.Rebuild(addressLine20, 0);
        return tables.Pointer;
    }

    private (ulong Target, int Level, EptAccess Access)? Walk(EptPointer pointer, ulong address)
    {
        ulong table = pointer.Address;
        for (int level = 4; ; level--)
        {
            int index = (int)(address >> (12 + (9 * (level - 1)))) & 511;
            var entry = new EptEntry(BinaryPrimitives.ReadUInt64LittleEndian(_machine.Pages[table].Span[(index * 8)..]));
            Assert.False(entry.IsMisconfigured(level, 40, EptVpidCapabilities.Pages1G | EptVpidCapabilities.Pages2M));
            if (!entry.IsPresent)
            {
                return null;
            }

            if (entry.IsPage(level))
            {
                return (entry.Translate(level, address), level, entry.Permissions);
            }

            table = entry.Address;
        }
    }
}
