using Vmm.Engine.Software.Tests.Segmentation;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Software.Tests.SystemInstructions;

public sealed unsafe class SystemInstructionTests
{
    [Fact]
    public void Syscall_and_sysret_change_between_user_and_kernel()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(0x81, access: 0xEE);
        machine.State->Star = (ulong)ProtectedMachine.KernelCode << 32 | 0x08UL << 48;
        machine.State->Lstar = ProtectedMachine.Code;
        machine.State->Fmask = (ulong)RflagsBits.Df;
        machine.Fill(ProtectedMachine.Code, a =>
        {
            a.mov(rbx, rcx);
            a.sysretq();
        });
        machine.RunUser(a =>
        {
            a.std();
            a.syscall();
            a.@int(0x81);
        });
        Assert.True(machine.HandlerRan);
        Assert.Equal(ProtectedMachine.UserCode + 3UL, machine.State->Gpr.Rbx);
        Assert.Equal(0x1BUL, machine.Stack(1));
        Assert.NotEqual(0UL, machine.Stack(2) & (ulong)RflagsBits.Df);
    }

    [Fact]
    public void Swapgs_exchanges_the_bases()
    {
        using ProtectedMachine machine = new(64);
        machine.State->KernelGsBase = ProtectedMachine.Data;
        machine.Write(ProtectedMachine.Data + 8u, 0x99u);
        machine.Run(a =>
        {
            a.swapgs();
            a.mov(eax, __dword_ptr.gs[8]);
        });
        Assert.Equal(0x99UL, machine.State->Gpr.Rax);
        Assert.Equal(0UL, machine.State->KernelGsBase);
    }

    [Theory]
    [InlineData((uint)Msr.Ia32Efer, 1UL << 1)]
    [InlineData((uint)Msr.Ia32Pat, 2UL)]
    [InlineData((uint)Msr.Ia32Lstar, 1UL << 47)]
    [InlineData(0x12345u, 0UL)]
    public void A_write_of_reserved_bits_or_an_unknown_register_faults(uint index, ulong value)
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(13);
        machine.Run(a =>
        {
            a.mov(ecx, index);
            a.mov(eax, (uint)value);
            a.mov(edx, (uint)(value >> 32));
            a.wrmsr();
        });
        Assert.True(machine.HandlerRan);
    }

    [Theory]
    [InlineData(1UL << 31)] // PG without PE
    [InlineData(1UL << 29 | 1)] // NW without CD
    public void A_bad_CR0_faults(ulong value)
    {
        using ProtectedMachine machine = new();
        machine.Gate(13);
        machine.Run(a =>
        {
            a.mov(eax, (uint)value);
            a.mov(cr0, eax);
        });
        Assert.True(machine.HandlerRan);
    }

    [Fact]
    public void PAE_cannot_be_cleared_in_long_mode_nor_paging_in_64_bit_mode()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(13);
        machine.Run(a =>
        {
            a.mov(rax, cr4);
            a.and(eax, ~(int)Cr4Bits.Pae);
            a.mov(cr4, rax);
        });
        Assert.True(machine.HandlerRan);
        machine.Run(a =>
        {
            a.mov(rax, cr0);
            a.btr(rax, 31);
            a.mov(cr0, rax);
        });
        Assert.True(machine.HandlerRan);
    }

    [Fact]
    public void Umip_keeps_user_code_from_descriptor_tables()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(13);
        machine.State->Cr4 |= (ulong)Cr4Bits.Umip;
        machine.RunUser(a =>
        {
            a.sgdt(__[ProtectedMachine.Data]);
            a.inc(ebx);
        });
        Assert.True(machine.HandlerRan);
        Assert.Equal(0UL, machine.State->Gpr.Rbx);
    }

    [Fact]
    public void Descriptor_tables_are_stored_as_they_were_loaded()
    {
        using ProtectedMachine machine = new(64);
        machine.Write(ProtectedMachine.Data, (ushort)0x777);
        machine.Write(ProtectedMachine.Data + 2, 0xFFFF_8000_0000_1000UL);
        machine.Run(a =>
        {
            a.mov(rcx, (long)ProtectedMachine.Data);
            a.lidt(__[rcx]);
            a.sidt(__[rcx + 16]);
        });
        Assert.Equal(0xFFFF_8000_0000_1000UL, machine.State->IdtrBase);
        Assert.Equal(0x777u, machine.Word(ProtectedMachine.Data + 16) & 0xFFFF);
    }

    [Fact]
    public void Ltr_loads_sixteen_bytes_and_marks_the_tss_busy()
    {
        using ProtectedMachine machine = new(64);
        machine.Descriptor(ProtectedMachine.Free, ProtectedMachine.Segment(0x89, 0x1234, 0x67, 0));
        machine.Write(ProtectedMachine.Gdt + ProtectedMachine.Free + 8u, 0xFFFF_8000UL);
        machine.Run(a =>
        {
            a.mov(eax, ProtectedMachine.Free);
            a.ltr(ax);
        });
        Assert.Equal(0xFFFF_8000_0000_1234UL, machine.State->Tr.Base);
        Assert.Equal(0x8Bu, machine.Word(ProtectedMachine.Gdt + ProtectedMachine.Free + 4u) >> 8 & 0xFF);
    }

    [Fact]
    public void User_code_keeps_IF_and_IOPL_over_popf()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(0x81, access: 0xEE);
        machine.RunUser(a =>
        {
            a.push(0x3202);
            a.popfq();
            a.@int(0x81);
        });
        Assert.Equal(2UL, machine.Stack(2));
    }

    [Theory]
    [InlineData(new byte[] { 0x0F, 0x01, 0xC8 })] // MONITOR
    [InlineData(new byte[] { 0x0F, 0x01, 0xC9 })] // MWAIT
    [InlineData(new byte[] { 0x0F, 0xAA })] // RSM
    [InlineData(new byte[] { 0x0F, 0x01, 0xC1 })] // VMCALL outside VMX operation
    [InlineData(new byte[] { 0x0F, 0xFF, 0xC0 })] // UD0
    [InlineData(new byte[] { 0x0F, 0xB9, 0xC0 })] // UD1
    public void What_is_not_announced_is_undefined(byte[] code)
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(6);
        machine.Run(a => a.db(code));
        Assert.True(machine.HandlerRan);
        Assert.Equal(ProtectedMachine.Code, machine.Stack(0));
    }

    [Fact]
    public void Long_mode_is_entered_through_compatibility_mode()
    {
        using ProtectedMachine machine = new();
        machine.Write(0x10_0000, 0x10_1007UL);
        machine.Write(0x10_1000, 0x10_2007UL);
        machine.Write(0x10_2000, 0x87UL);
        machine.Descriptor(ProtectedMachine.Free, ProtectedMachine.Segment(0x9A, flags: 0xA));
        machine.Fill(ProtectedMachine.Handler, a => a.hlt());
        machine.Run(a =>
        {
            a.mov(eax, cr4);
            a.or(eax, (int)Cr4Bits.Pae);
            a.mov(cr4, eax);
            a.mov(eax, 0x10_0000);
            a.mov(cr3, eax);
            a.mov(ecx, unchecked((int)Msr.Ia32Efer));
            a.rdmsr();
            a.or(eax, (int)EferBits.Lme);
            a.wrmsr();
            a.mov(eax, cr0);
            a.bts(eax, 31);
            a.mov(cr0, eax);
            a.jmp(ProtectedMachine.Free, ProtectedMachine.Handler);
        });
        Assert.True(machine.HandlerRan);
        Assert.Equal((ulong)(EferBits.Lme | EferBits.Lma), machine.State->Efer);
        Assert.True(machine.State->Cs.IsLong);
    }

    [Fact]
    public void Cpuid_leaf_1_mirrors_OSXSAVE_and_the_highest_leaf_answers_for_those_beyond()
    {
        using ProtectedMachine machine = new(64);
        machine.Run(a =>
        {
            a.mov(eax, 1);
            a.cpuid();
        });
        Assert.NotEqual(0UL, machine.State->Gpr.Rcx & 1 << 27);
        machine.Run(a =>
        {
            a.mov(eax, 0x4000);
            a.mov(ecx, 0);
            a.cpuid();
        });
        Assert.Equal(7UL, machine.State->Gpr.Rax);
    }
}
