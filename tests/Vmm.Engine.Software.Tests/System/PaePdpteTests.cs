using Vmm.Engine.Software.Tests.Segmentation;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.SystemInstructions;

/// <summary>The PDPTE registers of PAE paging (SDM Vol. 3A 4.4.1).</summary>
public sealed unsafe class PaePdpteTests
{
    private const uint Good = 0x10_0000;
    private const uint Bad = 0x10_2000;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(52)]
    [InlineData(63)]
    public void MOV_to_CR3_faults_on_a_reserved_bit_of_a_present_entry_and_changes_nothing(int bit)
    {
        using ProtectedMachine machine = Machine();
        machine.Write(Bad + 16, 0x10_1001UL | 1UL << bit);
        EnterPaging(machine);
        Assert.True(machine.HandlerRan);
        Assert.Equal(0UL, machine.Stack(0));
        Assert.Equal(Good, machine.State->Cr3);
        Assert.Equal(0UL, machine.State->Pdpte2);
    }

    [Theory]
    [InlineData(0x10_1001UL | 0x18)] // PWT and PCD
    [InlineData(0x10_1001UL | 0xE00)] // ignored
    [InlineData(0x8000_0000_0000_01E6UL)] // not present
    public void MOV_to_CR3_takes_every_other_entry(ulong entry)
    {
        using ProtectedMachine machine = Machine();
        machine.Write(Bad + 16, entry);
        EnterPaging(machine);
        Assert.False(machine.HandlerRan);
        Assert.Equal(Bad, machine.State->Cr3);
        Assert.Equal(entry, machine.State->Pdpte2);
    }

    [Fact]
    public void Paging_cannot_begin_with_a_bad_entry()
    {
        using ProtectedMachine machine = Machine();
        machine.Write(Good + 8, 0x10_1001UL | 2);
        EnterPaging(machine);
        Assert.True(machine.HandlerRan);
        Assert.Equal(0UL, machine.State->Cr0 & (ulong)Cr0Bits.Pg);
    }

    [Fact]
    public void Entries_count_as_they_were_when_CR3_was_loaded()
    {
        using ProtectedMachine machine = Machine();
        EnterPaging(machine, a =>
        {
            a.mov(__dword_ptr[Bad], 0);
            a.mov(ebx, __dword_ptr[ProtectedMachine.Data]);
            a.inc(ecx);
        });
        Assert.Equal(1UL, machine.State->Gpr.Rcx);
    }

    private static void EnterPaging(ProtectedMachine machine, Action<Iced.Intel.Assembler>? paged = null) => machine.Run(a =>
    {
        a.mov(eax, (int)Cr4Bits.Pae);
        a.mov(cr4, eax);
        a.mov(eax, Good);
        a.mov(cr3, eax);
        a.mov(eax, cr0);
        a.bts(eax, 31);
        a.mov(cr0, eax);
        a.mov(eax, Bad);
        a.xor(ecx, ecx);
        a.mov(cr3, eax);
        paged?.Invoke(a);
    });

    private static ProtectedMachine Machine()
    {
        ProtectedMachine machine = new();
        machine.Gate(13);
        machine.Write(Good, 0x10_1001UL);
        machine.Write(Bad, 0x10_1001UL);
        machine.Write(0x10_1000, 0x87UL);
        return machine;
    }
}
