using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using static Vmm.Engine.Software.Tests.Memory.MmuHarness;

namespace Vmm.Engine.Software.Tests.Memory;

/// <summary>Translation and access rights (SDM Vol. 3A ch. 4).</summary>
public sealed unsafe class PagingTests : IDisposable
{
    private const ulong Frame = 0x5000;
    private const ulong UserPage = PageTables.User | PageTables.Writable;

    private readonly TestMachine _machine = new();
    private readonly PageTables _tables;

    public PagingTests() => _tables = new PageTables(_machine);

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void An_absent_page_faults_with_an_error_code_that_tells_the_access()
    {
        _machine.LoadFaults(Unmapped + 8, ExceptionVector.PageFault, 0);
        _machine.StoreFaults(Unmapped + 8, ExceptionVector.PageFault, 2);
        _machine.FetchFaults(Unmapped + 8, 0x10);
        _machine.SetCpl(3);
        _machine.LoadFaults(Unmapped + 8, ExceptionVector.PageFault, 4);
        _machine.StoreFaults(Unmapped + 8, ExceptionVector.PageFault, 6);
        _machine.FetchFaults(Unmapped + 8, 0x14);
    }

    [Theory]
    [InlineData(0, 0x5000)]
    [InlineData(1, 0x20_0000)]
    [InlineData(2, 0)]
    public void Pages_of_every_size_translate_with_the_offset_of_their_size(int level, ulong physical)
    {
        ulong linear = Unmapped;
        ulong offset = level == 0 ? 0x123UL : 0x2123;
        _machine.Memory.Bytes[(int)(physical + offset)] = 0x5A;
        _tables.Map(linear, physical, UserPage, level);
        Assert.Equal(0x5A, _machine.Load<byte>(linear + offset));
    }

    [Fact]
    public void A_read_sets_accessed_bits_and_a_write_the_dirty_bit()
    {
        ulong entry = _tables.Map(Unmapped, Frame, UserPage);
        _machine.Load<byte>(Unmapped);
        Assert.Equal(PageTables.Accessed, _tables.Entry(entry, 0) & (PageTables.Accessed | PageTables.Dirty));
        _machine.Store<byte>(Unmapped, 1);
        Assert.Equal(PageTables.Accessed | PageTables.Dirty, _tables.Entry(entry, 0) & (PageTables.Accessed | PageTables.Dirty));
    }

    [Fact]
    public void An_access_that_is_denied_sets_no_bits()
    {
        ulong entry = _tables.Map(Unmapped, Frame, PageTables.Writable);
        _machine.SetCpl(3);
        _machine.StoreFaults(Unmapped, ExceptionVector.PageFault, 7);
        Assert.Equal(0UL, _tables.Entry(entry, 0) & (PageTables.Accessed | PageTables.Dirty));
    }

    [Fact]
    public void A_supervisor_write_to_a_read_only_page_faults_only_under_write_protection()
    {
        _tables.Map(Unmapped, Frame, 0);
        _machine.StoreFaults(Unmapped, ExceptionVector.PageFault, 3);
        _machine.State->Cr0 &= ~(ulong)Cr0Bits.Wp;
        _machine.Processor.Mmu.FlushAll();
        _machine.Store(Unmapped, 0x77u);
        Assert.Equal(0x77, _machine.Memory.Bytes[(int)Frame]);
    }

    [Fact]
    public void User_code_cannot_reach_supervisor_pages_even_when_the_supervisor_has_just_used_them()
    {
        _tables.Map(Unmapped, Frame, PageTables.Writable);
        _machine.Store(Unmapped, 1u);
        _machine.SetCpl(3);
        _machine.LoadFaults(Unmapped, ExceptionVector.PageFault, 5);
        _machine.SetCpl(0);
        _machine.Load<uint>(Unmapped);
    }

    [Fact]
    public void Smap_keeps_the_supervisor_from_user_pages_unless_AC_is_set()
    {
        _tables.Map(Unmapped, Frame, UserPage);
        _machine.State->Cr4 |= (ulong)Cr4Bits.Smap;
        _machine.Processor.Mmu.FlushAll();
        _machine.LoadFaults(Unmapped, ExceptionVector.PageFault, 1);
        _machine.StoreFaults(Unmapped, ExceptionVector.PageFault, 3);
        _machine.State->SystemFlags |= (ulong)RflagsBits.Ac;
        _machine.Processor.Mmu.UpdatePrivilege();
        _machine.Store(Unmapped, 5u);
        Assert.False(_machine.Processor.Mmu.ReadSupervisor(Unmapped, out uint _));
        _machine.State->SystemFlags &= ~(ulong)RflagsBits.Ac;
        _machine.Processor.Mmu.UpdatePrivilege();
        _machine.LoadFaults(Unmapped, ExceptionVector.PageFault, 1);
    }

    [Fact]
    public void Smep_keeps_the_supervisor_from_running_user_pages()
    {
        _tables.Map(Unmapped, Frame, UserPage);
        _machine.State->Cr4 |= (ulong)Cr4Bits.Smep;
        _machine.Processor.Mmu.FlushAll();
        _machine.FetchFaults(Unmapped, 0x11);
        _machine.SetCpl(3);
        Assert.True(_machine.Processor.Mmu.TranslateFetch(Unmapped, out _));
    }

    [Fact]
    public void Execute_disable_forbids_fetches_alone()
    {
        _tables.Map(Unmapped, Frame, UserPage | PageTables.NoExecute);
        _machine.FetchFaults(Unmapped, 0x11);
        _machine.Load<uint>(Unmapped);
    }

    [Theory]
    [InlineData(1UL << 51)]
    [InlineData(1UL << 46)]
    public void Address_bits_beyond_the_width_are_reserved(ulong bit)
    {
        _tables.Map(Unmapped, Frame | bit, UserPage);
        _machine.LoadFaults(Unmapped, ExceptionVector.PageFault, 9);
        _machine.StoreFaults(Unmapped, ExceptionVector.PageFault, 0xB);
    }

    [Fact]
    public void Execute_disable_is_reserved_when_EFER_does_not_enable_it()
    {
        _tables.Map(Unmapped, Frame, UserPage | PageTables.NoExecute);
        _machine.State->Efer &= ~(ulong)EferBits.Nxe;
        _machine.LoadFaults(Unmapped, ExceptionVector.PageFault, 9);
    }

    [Fact]
    public void Low_address_bits_of_a_large_page_are_reserved()
    {
        _tables.Map(Unmapped, 0x20_0000 | 0x2000, UserPage, level: 1);
        _machine.LoadFaults(Unmapped, ExceptionVector.PageFault, 9);
    }

    [Fact]
    public void A_write_across_pages_changes_nothing_when_the_second_page_faults()
    {
        _tables.Map(Unmapped, Frame, UserPage);
        Assert.False(Vmm.Engine.Software.Memory.LinearMemory.Store(_machine.State, Unmapped + 0xFFE, 0x1122_3344u));
        Assert.Equal(Unmapped + 0x1000, _machine.State->FaultAddress);
        Assert.Equal(0, _machine.Memory.Bytes[(int)Frame + 0xFFE]);
    }

    [Fact]
    public void An_access_across_pages_goes_to_two_frames()
    {
        _tables.Map(Unmapped, Frame, UserPage);
        _tables.Map(Unmapped + 0x1000, Frame + 0x3000, UserPage);
        _machine.Store(Unmapped + 0xFFD, 0x1122_3344_5566_7788UL);
        Assert.Equal(0x1122_3344_5566_7788UL, _machine.Load<ulong>(Unmapped + 0xFFD));
        Assert.Equal(0x66, _machine.Memory.Bytes[(int)Frame + 0xFFF]);
        Assert.Equal(0x55, _machine.Memory.Bytes[(int)Frame + 0x3000]);
    }

    [Fact]
    public void Non_canonical_addresses_are_general_protection_faults_or_stack_faults()
    {
        _machine.LoadFaults(0x8000_0000_0000, ExceptionVector.GeneralProtection, 0);
        _machine.StoreFaults(0x7FFF_FFFF_FFFE, ExceptionVector.GeneralProtection, 0);
        Assert.False(Vmm.Engine.Software.Memory.LinearMemory.LoadStack(_machine.State, 0x8000_0000_0000, out ulong _));
        Assert.Equal(ExceptionVector.StackSegmentFault, _machine.State->FaultVector);
    }

    [Fact]
    public void A_32_bit_directory_maps_small_and_large_pages()
    {
        using TestMachine machine = new(32);
        PageTables tables = new(machine);
        ulong directory = tables.Use32Bit();
        ulong table = tables.Allocate();
        tables.Entry32(directory, 1) = (uint)table | 7;
        tables.Entry32(table, 3) = 0x5000 | 7;
        tables.Entry32(directory, 2) = 0x87;
        machine.Memory.Bytes[0x5010] = 0x42;
        machine.Memory.Bytes[0x12_3456] = 0x43;
        Assert.Equal(0x42, machine.Load<byte>(0x40_3010));
        Assert.Equal(0x43, machine.Load<byte>(0x92_3456));
        machine.LoadFaults(0xC0_0000, ExceptionVector.PageFault, 0);
        machine.Store<byte>(0x40_3010, 1);
        Assert.Equal(0x5067u, tables.Entry32(table, 3));
        tables.Entry32(directory, 3) = 0x87 | 1 << 21;
        machine.LoadFaults(0xC0_0000, ExceptionVector.PageFault, 9);
    }

    [Fact]
    public void Pae_paging_uses_the_loaded_pointer_entries_and_knows_execute_disable()
    {
        using TestMachine machine = new(32);
        PageTables tables = new(machine);
        tables.UsePae();
        tables.MapPae(0xC000_1000, 0x5000, UserPage | PageTables.NoExecute);
        machine.Memory.Bytes[0x5010] = 0x42;
        Assert.Equal(0x42, machine.Load<byte>(0xC000_1010));
        machine.FetchFaults(0xC000_1000, 0x11);
        machine.LoadFaults(0x4000_0000, ExceptionVector.PageFault, 0);
        tables.MapPae(0xC000_2000, 0x5000 | 1UL << 52, UserPage);
        machine.LoadFaults(0xC000_2000, ExceptionVector.PageFault, 9);
    }

    [Fact]
    public void Alignment_is_checked_for_user_code_with_AM_and_AC()
    {
        _tables.Map(Unmapped, Frame, UserPage);
        _machine.State->Cr0 |= (ulong)Cr0Bits.Am;
        _machine.State->SystemFlags |= (ulong)RflagsBits.Ac;
        _machine.Load<uint>(Unmapped + 1);
        _machine.SetCpl(3);
        _machine.LoadFaults(Unmapped + 2, ExceptionVector.AlignmentCheck, 0);
        Assert.Equal(0u, _machine.Load<uint>(Unmapped + 4));
    }

    [Fact]
    public void A_data_breakpoint_is_noted_by_the_access_that_meets_it()
    {
        _machine.State->Dr[1] = TestMachine.DataAddress + 2;
        _machine.State->Dr[7] = 0x400 | 1 << 2 | 1 << 20 | 1 << 22;
        _machine.Processor.Mmu.UpdatePrivilege();
        _machine.Load<uint>(TestMachine.DataAddress);
        _machine.Store<ushort>(TestMachine.DataAddress, 1);
        Assert.Equal(0UL, _machine.State->PendingDebugExceptions);
        _machine.Store(TestMachine.DataAddress, 1u);
        Assert.Equal(0x1002UL, _machine.State->PendingDebugExceptions);
        Assert.Equal(1, _machine.State->EventPending);
    }
}
