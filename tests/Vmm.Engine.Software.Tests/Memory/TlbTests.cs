using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using static Vmm.Engine.Software.Tests.Memory.MmuHarness;

namespace Vmm.Engine.Software.Tests.Memory;

/// <summary>What invalidations drop, and what they leave (SDM Vol. 3A 4.10).</summary>
public sealed unsafe class TlbTests : IDisposable
{
    private const ulong User = PageTables.User | PageTables.Writable;

    private readonly TestMachine _machine = new();
    private readonly PageTables _tables;

    public TlbTests()
    {
        _tables = new PageTables(_machine);
        _machine.State->Cr4 |= (ulong)Cr4Bits.Pge;
        _machine.Memory.Bytes[0x5000] = 5;
        _machine.Memory.Bytes[0x6000] = 6;
    }

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void A_translation_stays_until_its_page_is_invalidated()
    {
        _tables.Map(Unmapped, 0x5000, User);
        Assert.Equal(5, _machine.Load<byte>(Unmapped));
        _tables.Map(Unmapped, 0x6000, User);
        Assert.Equal(5, _machine.Load<byte>(Unmapped));
        _machine.Processor.Mmu.FlushPage(Unmapped);
        Assert.Equal(6, _machine.Load<byte>(Unmapped));
    }

    [Fact]
    public void Invalidating_one_address_of_a_large_page_invalidates_all_of_it()
    {
        ulong entry = _tables.Map(Unmapped, 0x20_0000, User, level: 1);
        _machine.Load<byte>(Unmapped + 0x3000);
        _tables.Entry(entry, 0) = 0;
        _machine.Processor.Mmu.FlushPage(Unmapped + 0x1F_0000);
        _machine.LoadFaults(Unmapped + 0x3000, ExceptionVector.PageFault, 0);
    }

    [Fact]
    public void Loading_CR3_drops_all_but_global_pages()
    {
        _tables.Map(Unmapped, 0x5000, User);
        _tables.Map(Unmapped + 0x1000, 0x5000, User | PageTables.Global);
        _machine.Load<byte>(Unmapped);
        _machine.Load<byte>(Unmapped + 0x1000);
        _tables.Map(Unmapped, 0x6000, User);
        _tables.Map(Unmapped + 0x1000, 0x6000, User);
        _machine.Processor.Mmu.LoadAddressSpace(keep: false);
        Assert.Equal(6, _machine.Load<byte>(Unmapped));
        Assert.Equal(5, _machine.Load<byte>(Unmapped + 0x1000));
        _machine.Processor.Mmu.FlushAll();
        Assert.Equal(6, _machine.Load<byte>(Unmapped + 0x1000));
    }

    [Fact]
    public void Each_process_context_keeps_its_translations()
    {
        _machine.State->Cr4 |= (ulong)Cr4Bits.Pcide;
        _tables.Map(Unmapped, 0x5000, User);
        Switch(1, keep: false);
        Assert.Equal(5, _machine.Load<byte>(Unmapped));
        Switch(2, keep: false);
        _tables.Map(Unmapped, 0x6000, User);
        Assert.Equal(6, _machine.Load<byte>(Unmapped));
        _tables.Map(Unmapped + 0x1000, 0x6000, User);
        Switch(1, keep: true);
        _machine.Load<byte>(Unmapped + 0x1000);
        _machine.Processor.Mmu.FlushPcid(1);
        Assert.Equal(6, _machine.Load<byte>(Unmapped));
    }

    [Fact]
    public void Process_contexts_stay_apart_after_all_of_them_were_flushed()
    {
        _machine.State->Cr4 |= (ulong)Cr4Bits.Pcide;
        _machine.Processor.Mmu.FlushAll();
        Switch(1, keep: true);
        _tables.Map(Unmapped, 0x5000, User);
        Assert.Equal(5, _machine.Load<byte>(Unmapped));
        Switch(2, keep: true);
        _tables.Map(Unmapped, 0x6000, User);
        Assert.Equal(6, _machine.Load<byte>(Unmapped));
    }

    private void Switch(ulong pcid, bool keep)
    {
        _machine.State->Cr3 = (_machine.State->Cr3 & ~0xFFFUL) | pcid;
        _machine.Processor.Mmu.LoadAddressSpace(keep);
    }

    [Fact]
    public void Many_pages_are_dropped_as_one_is()
    {
        for (ulong n = 0; n < 600; n++)
        {
            _tables.Map(Unmapped + n * 0x1000, 0x5000, User);
            Assert.Equal(5, _machine.Load<byte>(Unmapped + n * 0x1000));
        }

        ulong entry = _tables.Map(Unmapped + 599 * 0x1000, 0x6000, User);
        _machine.Processor.Mmu.FlushNonGlobal();
        Assert.Equal(6, _machine.Load<byte>(Unmapped + 599 * 0x1000));
        Assert.NotEqual(0UL, entry);
    }
}
