using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Software.Tests.Segmentation;

public sealed unsafe class ProtectedModeTests
{
    private const ushort Free = ProtectedMachine.Free;

    [Fact]
    public void A_loaded_segment_is_marked_accessed()
    {
        using ProtectedMachine machine = new();
        machine.Descriptor(Free, ProtectedMachine.Segment(0x92));
        machine.Run(a =>
        {
            a.mov(eax, Free);
            a.mov(es, eax);
        });
        Assert.Equal(Free, machine.State->Es.Selector);
        Assert.Equal(0x93u, machine.State->Es.AccessRights & 0xFF);
        Assert.Equal(0x93u, machine.Word(ProtectedMachine.Gdt + Free + 4) >> 8 & 0xFF);
    }

    [Theory]
    [InlineData(0x12, 11)] // not present
    [InlineData(0x98, 13)] // execute-only code
    [InlineData(0x82, 13)] // system
    public void A_bad_segment_faults_with_its_selector(uint access, int vector)
    {
        using ProtectedMachine machine = new();
        machine.Gate(vector);
        machine.Descriptor(Free, ProtectedMachine.Segment(access));
        machine.Run(a =>
        {
            a.mov(eax, Free);
            a.mov(ds, eax);
        });
        Assert.True(machine.HandlerRan);
        Assert.Equal(Free, machine.Stack(0));
    }

    [Fact]
    public void A_null_selector_loads_and_its_use_faults()
    {
        using ProtectedMachine machine = new();
        machine.Gate(13);
        machine.Run(a =>
        {
            a.xor(eax, eax);
            a.mov(fs, eax);
            a.mov(ebx, __dword_ptr.fs[0]);
        });
        Assert.True(machine.HandlerRan);
        Assert.Equal(0UL, machine.Stack(0));
    }

    [Fact]
    public void An_expand_down_segment_begins_above_its_limit()
    {
        using ProtectedMachine machine = new();
        machine.Gate(13);
        machine.Descriptor(Free, ProtectedMachine.Segment(0x96, limit: ProtectedMachine.Data + 0xFFF, flags: 4));
        machine.Run(a =>
        {
            a.mov(eax, Free);
            a.mov(es, eax);
            a.mov(ebx, __dword_ptr.es[ProtectedMachine.Data + 0x1000]);
            a.inc(ecx);
            a.mov(ebx, __dword_ptr.es[ProtectedMachine.Data + 0xFFF]);
            a.inc(ecx);
        });
        Assert.Equal(1UL, machine.State->Gpr.Rcx);
    }

    [Fact]
    public void A_store_to_a_read_only_segment_faults()
    {
        using ProtectedMachine machine = new();
        machine.Gate(13);
        machine.Descriptor(Free, ProtectedMachine.Segment(0x91));
        machine.Run(a =>
        {
            a.mov(eax, Free);
            a.mov(es, eax);
            a.mov(ebx, __dword_ptr.es[ProtectedMachine.Data]);
            a.inc(ecx);
            a.mov(__dword_ptr.es[ProtectedMachine.Data], ebx);
            a.inc(ecx);
        });
        Assert.Equal(1UL, machine.State->Gpr.Rcx);
    }

    [Fact]
    public void A_call_gate_switches_the_stack_and_copies_parameters()
    {
        using ProtectedMachine machine = new();
        machine.Descriptor(Free, ProtectedMachine.GateTo(ProtectedMachine.KernelCode, ProtectedMachine.Handler, 0xEC, parameters: 2));
        machine.RunUser(a =>
        {
            a.push(0x11);
            a.push(0x22);
            a.call((ushort)(Free | 3), 0u);
        });
        Assert.True(machine.HandlerRan);
        Assert.Equal(0, machine.State->Cpl);
        Assert.Equal(ProtectedMachine.UserCodeSelector, machine.Stack(1));
        Assert.Equal(0x22UL, machine.Stack(2));
        Assert.Equal(0x11UL, machine.Stack(3));
        Assert.Equal(ProtectedMachine.UserStack - 8UL, machine.Stack(4));
        Assert.Equal(ProtectedMachine.UserData, machine.Stack(5));
    }

    [Fact]
    public void A_far_return_releases_the_parameters_on_both_stacks()
    {
        using ProtectedMachine machine = new();
        machine.Gate(0x81, access: 0xEE, offset: ProtectedMachine.Handler + 0x100);
        machine.Fill(ProtectedMachine.Handler, a => a.retf(8));
        machine.Fill(ProtectedMachine.Handler + 0x100, a => a.hlt());
        machine.Descriptor(Free, ProtectedMachine.GateTo(ProtectedMachine.KernelCode, ProtectedMachine.Handler, 0xEC, parameters: 2));
        machine.RunUser(a =>
        {
            a.push(0x11);
            a.push(0x22);
            a.call((ushort)(Free | 3), 0u);
            a.mov(ebx, esp);
            a.@int(0x81);
        });
        Assert.Equal(ProtectedMachine.UserStack, machine.State->Gpr.Rbx);
    }

    [Fact]
    public void A_far_jump_to_conforming_code_keeps_the_privilege_level()
    {
        using ProtectedMachine machine = new();
        machine.Gate(0x81, access: 0xEE);
        machine.Descriptor(Free, ProtectedMachine.Segment(0x9F));
        machine.Fill(0x1_6000, a => a.@int(0x81));
        machine.RunUser(a => a.jmp(Free, 0x1_6000u));
        Assert.True(machine.HandlerRan);
        Assert.Equal(Free | 3UL, machine.Stack(1));
    }

    [Fact]
    public void A_far_jump_to_inner_code_faults_with_the_selector()
    {
        using ProtectedMachine machine = new();
        machine.Gate(13);
        machine.RunUser(a => a.jmp(ProtectedMachine.KernelCode, 0x1_6000u));
        Assert.Equal(ProtectedMachine.KernelCode, machine.Stack(0));
    }

    [Fact]
    public void Iret_to_an_outer_level_nulls_segments_it_may_not_use()
    {
        using ProtectedMachine machine = new();
        machine.Gate(0x81, access: 0xEE);
        machine.Fill(ProtectedMachine.UserCode, a => a.@int(0x81));
        machine.Run(a =>
        {
            a.push(ProtectedMachine.UserData);
            a.push(ProtectedMachine.UserStack);
            a.push(2);
            a.push(ProtectedMachine.UserCodeSelector);
            a.push(ProtectedMachine.UserCode);
            a.iretd();
        });
        Assert.True(machine.HandlerRan);
        Assert.Equal(0, machine.State->Ds.Selector);
        Assert.True(machine.State->Ds.IsUnusable);
    }

    [Fact]
    public void Virtual_8086_mode_runs_paragraphs_and_an_interrupt_leaves_it()
    {
        using ProtectedMachine machine = new();
        machine.Gate(0x40);
        machine.Gate(13);
        machine.Fill(
            ProtectedMachine.Data, a =>
            {
                a.mov(ax, 0x2100);
                a.mov(es, ax);
                a.mov(__byte_ptr.es[5], 0x5A);
                a.hlt();
            },
            bitness: 16);
        machine.Run(a =>
        {
            a.push(0);
            a.push(0);
            a.push(0);
            a.push(0);
            a.push(0x1000);
            a.push(0x2000);
            a.push((int)(RflagsBits.Vm | RflagsBits.Fixed1));
            a.push((int)(ProtectedMachine.Data >> 4));
            a.push(0);
            a.iretd();
        });
        Assert.True(machine.HandlerRan);
        Assert.Equal(0x5Au, machine.Word(0x2_1005) & 0xFF);
        Assert.Equal(0UL, machine.Stack(0)); // #GP(0) of HLT
        Assert.NotEqual(0UL, machine.Stack(3) & (ulong)RflagsBits.Vm);
        Assert.Equal(0x2100UL, machine.Stack(6));
        Assert.Equal(0, machine.State->Es.Selector);
    }

    [Fact]
    public void A_jump_to_a_tss_switches_tasks()
    {
        using ProtectedMachine machine = new();
        WriteTask(machine, ProtectedMachine.Handler);
        machine.Run(a =>
        {
            a.mov(ebx, 0x77);
            a.jmp(ProtectedMachine.OtherTssSelector, 0u);
        });
        Assert.True(machine.HandlerRan);
        Assert.Equal(0x1234UL, machine.State->Gpr.Rsi);
        Assert.Equal(0x77u, machine.Word(ProtectedMachine.Tss + 52));
        Assert.Equal(ProtectedMachine.OtherTssSelector, machine.State->Tr.Selector);
        Assert.Equal(0x89u, machine.Word(ProtectedMachine.Gdt + ProtectedMachine.TssSelector + 4) >> 8 & 0xFF);
        Assert.Equal(0x8Bu, machine.Word(ProtectedMachine.Gdt + ProtectedMachine.OtherTssSelector + 4) >> 8 & 0xFF);
        Assert.NotEqual(0UL, machine.State->Cr0 & (ulong)Cr0Bits.Ts);
    }

    [Fact]
    public void A_called_task_returns_with_iret()
    {
        using ProtectedMachine machine = new();
        WriteTask(machine, ProtectedMachine.Handler);
        machine.Fill(ProtectedMachine.Handler, a => a.iretd());
        machine.Run(a =>
        {
            a.mov(ebx, 0x77);
            a.call(ProtectedMachine.OtherTssSelector, 0u);
            a.inc(ebx);
        });
        Assert.Equal(0x78UL, machine.State->Gpr.Rbx);
        Assert.Equal(ProtectedMachine.TssSelector, machine.State->Tr.Selector);
        Assert.Equal(0UL, machine.State->SystemFlags & (ulong)RflagsBits.Nt);
    }

    [Fact]
    public void A_task_gate_runs_an_exception_handler_with_its_error_code()
    {
        using ProtectedMachine machine = new();
        WriteTask(machine, ProtectedMachine.Handler);
        machine.Gate(13, access: 0x85, selector: ProtectedMachine.OtherTssSelector, offset: 0);
        machine.Run(a =>
        {
            a.mov(eax, 0x60);
            a.mov(ds, eax);
        });
        Assert.True(machine.HandlerRan);
        Assert.Equal(0x60UL, machine.Stack(0));
        Assert.Equal(ProtectedMachine.TssSelector, (ushort)machine.Word(ProtectedMachine.OtherTss));
        Assert.NotEqual(0UL, machine.State->SystemFlags & (ulong)RflagsBits.Nt);
    }

    [Fact]
    public void The_bitmap_of_the_tss_permits_ports_to_user_code()
    {
        using ProtectedMachine machine = new();
        machine.Gate(13);
        machine.Write(ProtectedMachine.Tss + 0x68 + 0xC, (ushort)0xFFFE); // port 0x60
        machine.RunUser(a =>
        {
            a.@in(al, 0x60);
            a.inc(ebx);
            a.@in(al, 0x61);
            a.inc(ebx);
        });
        Assert.Equal(1UL, machine.State->Gpr.Rbx);
        Assert.Equal(0UL, machine.Stack(0));
    }

    [Fact]
    public void Lar_lsl_and_verr_answer_in_ZF()
    {
        using ProtectedMachine machine = new();
        machine.Descriptor(Free, ProtectedMachine.Segment(0x92, limit: 0x123, flags: 4));
        machine.Run(a =>
        {
            a.mov(ecx, Free);
            a.lsl(eax, ecx);
            a.lar(ebx, ecx);
            a.verw(ecx);
            a.setz(dl);
            a.mov(ecx, 0xF00);
            a.verr(ecx);
            a.setz(dh);
        });
        Assert.Equal(0x123UL, machine.State->Gpr.Rax);
        Assert.Equal(0x0040_9200UL, machine.State->Gpr.Rbx);
        Assert.Equal(1UL, machine.State->Gpr.Rdx);
    }

    [Fact]
    public void Protected_mode_and_back_leaves_big_real_mode()
    {
        using ProtectedMachine machine = new(16);
        machine.Fill(
            ProtectedMachine.Code, a =>
            {
                a.mov(eax, cr0);
                a.or(al, 1);
                a.mov(cr0, eax);
                a.mov(bx, ProtectedMachine.KernelData);
                a.mov(fs, bx);
                a.and(al, 0xFE);
                a.mov(cr0, eax);
                a.xor(bx, bx);
                a.mov(fs, bx);
                a.mov(esi, 0x18_0000);
                a.mov(__dword_ptr.fs[esi], 0x1234);
                a.hlt();
            },
            bitness: 16);
        machine.State->Rip = 0;
        Interpreter.Run(machine.Processor);
        Assert.Equal(0x1234u, machine.Word(0x18_0000));
    }

    private static void WriteTask(ProtectedMachine machine, uint entry)
    {
        const uint Address = ProtectedMachine.OtherTss;
        machine.Write(Address + 32, entry);
        machine.Write(Address + 36, 2u);
        machine.Write(Address + 56, 0x7000u);
        machine.Write(Address + 64, 0x1234u);
        machine.Write<uint>(Address + 76, ProtectedMachine.KernelCode);
        foreach (uint offset in (uint[])[72, 80, 84, 88, 92])
        {
            machine.Write<uint>(Address + offset, ProtectedMachine.KernelData);
        }
    }
}
