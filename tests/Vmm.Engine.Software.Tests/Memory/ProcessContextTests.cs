using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.Tests.Differential.Native;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;
using static Vmm.Engine.Software.Tests.Memory.MmuHarness;

namespace Vmm.Engine.Software.Tests.Memory;

/// <summary>What the fast TLBs of process contexts keep while others are current (SDM Vol. 3A 4.10.1).</summary>
public sealed unsafe class ProcessContextTests : IDisposable
{
    private const ulong User = PageTables.User | PageTables.Writable;
    private const ulong Present = PageTables.Writable;

    private readonly TestMachine _machine = new();
    private readonly PageTables _tables;

    public ProcessContextTests()
    {
        _tables = new PageTables(_machine);
        _machine.State->Cr4 |= (ulong)(Cr4Bits.Pge | Cr4Bits.Pcide);
        _machine.Memory.Bytes[0x5000] = 5;
        _machine.Memory.Bytes[0x6000] = 6;
    }

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void A_context_finds_its_entries_when_it_is_current_again()
    {
        _tables.Map(Unmapped, 0x5000, User);
        Switch(1, keep: false);
        _machine.Load<byte>(Unmapped);
        Switch(2, keep: false);
        Assert.False(HasFastEntry(Unmapped));
        Switch(1, keep: true);
        Assert.True(HasFastEntry(Unmapped));
    }

    [Fact]
    public void A_context_that_is_flushed_while_another_is_current_loses_its_entries()
    {
        _tables.Map(Unmapped, 0x5000, User);
        Switch(1, keep: false);
        _machine.Load<byte>(Unmapped);
        Switch(2, keep: false);
        _machine.Load<byte>(Unmapped);
        _machine.Processor.Mmu.FlushPcid(1);
        Assert.True(HasFastEntry(Unmapped));
        Switch(1, keep: true);
        Assert.False(HasFastEntry(Unmapped));
    }

    [Fact]
    public void A_global_page_that_is_invalidated_under_one_context_is_so_under_all()
    {
        RemapGlobalPageUnderAnotherContext();
        Switch(1, keep: true);
        Assert.Equal(6, _machine.Load<byte>(Unmapped));
    }

    [Fact]
    public void So_are_more_pages_than_are_kept_for_contexts_that_wait()
    {
        RemapGlobalPageUnderAnotherContext();
        for (ulong n = 1; n < 200; n++)
        {
            _machine.Processor.Mmu.FlushPage(Unmapped + n * 0x1000);
        }

        Switch(1, keep: true);
        Assert.Equal(6, _machine.Load<byte>(Unmapped));
    }

    [Fact]
    public void A_part_of_a_global_large_page_that_is_invalidated_goes_with_the_whole_page_everywhere()
    {
        ulong entry = _tables.Map(Unmapped, 0x20_0000, User | PageTables.Global, level: 1);
        Switch(1, keep: false);
        _machine.Load<byte>(Unmapped + 0x3000);
        Switch(2, keep: false);
        _machine.Load<byte>(Unmapped + 0x5000);
        _tables.Entry(entry, 0) = 0;
        _machine.Processor.Mmu.FlushPage(Unmapped + 0x5000);
        Switch(1, keep: true);
        _machine.LoadFaults(Unmapped + 0x3000, ExceptionVector.PageFault, 0);
    }

    [Fact]
    public void More_contexts_than_have_tables_of_their_own_stay_apart()
    {
        for (ulong context = 1; context <= 20; context++)
        {
            _machine.Memory.Bytes[(int)(context * 0x1000) + 0x3_0000] = (byte)context;
            Switch(context, keep: false);
            _tables.Map(Unmapped, 0x3_0000 + context * 0x1000, User);
            Assert.Equal((byte)context, _machine.Load<byte>(Unmapped));
        }

        for (ulong context = 1; context <= 20; context++)
        {
            Switch(context, keep: true);
            Assert.Contains(_machine.Load<byte>(Unmapped), (IEnumerable<byte>)[(byte)context, 20]);
        }
    }

    [Fact]
    public void Code_that_another_context_has_made_of_a_page_is_dropped_when_the_page_is_written()
    {
        _tables.Map(Unmapped, 0x5000, Present);
        Switch(1, keep: false);
        _machine.Store(Unmapped, 0x0000_00B8); // MOV EAX, 0
        _machine.Store(Unmapped + 4, 0x0000_F400); // HLT
        Switch(2, keep: false);
        _machine.State->Rip = Unmapped;
        _machine.Run();
        Assert.Equal(0UL, _machine.State->Gpr.Rax);
        Switch(1, keep: true);
        _machine.Store(Unmapped + 1, (byte)7);
        Switch(2, keep: true);
        _machine.State->Rip = Unmapped;
        _machine.Run();
        Assert.Equal(7UL, _machine.State->Gpr.Rax);
    }

    [Fact]
    public void Code_that_crosses_into_a_global_page_is_read_again_after_the_page_was_invalidated_elsewhere()
    {
        _tables.Map(Unmapped, 0x5000, Present);
        _tables.Map(Unmapped + 0x1000, 0x6000, Present | PageTables.Global);
        _machine.Memory.Bytes[0x5FFF] = 0xB8; // MOV EAX, and its operand on the global page
        foreach ((int page, byte value) in ((int, byte)[])[(0x6000, 1), (0x7000, 2)])
        {
            _machine.Memory.Write((ulong)page, [value, 0, 0, 0, 0xF4]);
        }

        Switch(1, keep: false);
        Run();
        Assert.Equal(1UL, _machine.State->Gpr.Rax);
        Switch(2, keep: false);
        _tables.Map(Unmapped + 0x1000, 0x7000, Present | PageTables.Global);
        _machine.Processor.Mmu.FlushPage(Unmapped + 0x1000);
        Switch(1, keep: true);
        Run();
        Assert.Equal(2UL, _machine.State->Gpr.Rax);

        void Run()
        {
            _machine.State->Rip = Unmapped + 0xFFF;
            _machine.Run();
        }
    }

    [NativeFact]
    public void Jumps_lead_where_they_should_after_their_generations_began_anew()
    {
        _machine.Load(a =>
        {
            Iced.Intel.Label target = a.CreateLabel();
            a.mov(eax, 1);
            a.jmp(target);
            for (int n = 0; n < 0x1000; n++)
            {
                a.nop();
            }

            a.Label(ref target);
            a.add(eax, 1);
        });
        Run();
        Run();
        _machine.Processor.Blocks.Jumps.LastGeneration = uint.MaxValue / 2;
        Switch(1, keep: false);
        Run();
        Assert.InRange(_machine.Processor.Blocks.Jumps.LastGeneration, 1u, 10u);
        Run();

        void Run()
        {
            _machine.State->Rip = _machine.CodeOffset;
            _machine.Processor.ProcessRequests();
            _machine.Run();
            Assert.Equal(2UL, _machine.State->Gpr.Rax);
        }
    }

    // Context 1 has read it; 2 is current.
    private void RemapGlobalPageUnderAnotherContext()
    {
        _tables.Map(Unmapped, 0x5000, User | PageTables.Global);
        Switch(1, keep: false);
        Assert.Equal(5, _machine.Load<byte>(Unmapped));
        Switch(2, keep: false);
        _tables.Map(Unmapped, 0x6000, User | PageTables.Global);
        _machine.Processor.Mmu.FlushPage(Unmapped);
    }

    private bool HasFastEntry(ulong linear) => LinearMemory.ReadPointer<byte>(_machine.State, linear) != null;

    private void Switch(ulong pcid, bool keep)
    {
        _machine.State->Cr3 = (_machine.State->Cr3 & ~0xFFFUL) | pcid;
        _machine.Processor.Mmu.LoadAddressSpace(keep);
    }
}
