using Vmm.Engine.Software.Tests.Segmentation;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Software.Tests.Events;

public sealed unsafe class LongModeDeliveryTests
{
    [Fact]
    public void An_interrupt_from_user_mode_switches_to_the_stack_of_the_tss()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(0x80, access: 0xEE);
        machine.RunUser(a => a.@int(0x80));
        Assert.True(machine.HandlerRan);
        Assert.Equal(ProtectedMachine.KernelStack - 40UL, machine.State->Gpr.Rsp);
        Assert.Equal(ProtectedMachine.UserCode + 2UL, machine.Stack(0));
        Assert.Equal(ProtectedMachine.UserCodeSelector, machine.Stack(1));
        Assert.Equal(ProtectedMachine.UserStack, machine.Stack(3));
        Assert.Equal(ProtectedMachine.UserData, machine.Stack(4));
        Assert.Equal(0, machine.State->Cpl);
        Assert.Equal(0, machine.State->Ss.Selector);
    }

    [Fact]
    public void A_gate_with_a_stack_table_entry_uses_it_without_a_privilege_change_too()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(3, stackTable: 1);
        machine.Run(a => a.int3());
        Assert.True(machine.HandlerRan);
        Assert.Equal(0xB000UL - 40, machine.State->Gpr.Rsp);
    }

    [Fact]
    public void The_stack_is_aligned_before_the_frame_is_pushed()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(3);
        machine.State->Gpr.Rsp = ProtectedMachine.KernelStack - 4;
        machine.Run(a => a.int3());
        Assert.Equal(ProtectedMachine.KernelStack - 16UL - 40, machine.State->Gpr.Rsp);
        Assert.Equal(ProtectedMachine.KernelStack - 4UL, machine.Stack(3));
    }

    [Fact]
    public void A_software_interrupt_through_a_gate_of_a_lower_level_is_a_protection_fault()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(0x80);
        machine.Gate(13);
        machine.RunUser(a => a.@int(0x80));
        Assert.Equal((0x80UL << 3) | 2, machine.Stack(0));
        Assert.Equal(ProtectedMachine.UserCode, machine.Stack(1));
    }

    [Fact]
    public void An_absent_gate_is_a_fault_with_the_external_bit_when_an_exception_led_to_it()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(6, access: 0x0E);
        machine.Gate(11);
        machine.Run(a => a.ud2());
        Assert.Equal((6UL << 3) | 3, machine.Stack(0));
    }

    [Fact]
    public void Two_contributory_exceptions_are_a_double_fault_and_a_third_shuts_down()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(8);
        machine.Run(a =>
        {
            a.xor(ecx, ecx);
            a.div(ecx);
        });
        Assert.True(machine.HandlerRan);
        Assert.Equal(0UL, machine.Stack(0));
        machine.Gate(8, access: 0);
        machine.Run(a => a.div(ecx));
        Assert.True(machine.IsShutDown);
    }

    [Fact]
    public void A_fault_is_pushed_with_RF_set_and_a_trap_without()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(6);
        machine.Run(a => a.ud2());
        Assert.NotEqual(0UL, machine.Stack(2) & (ulong)RflagsBits.Rf);
        machine.Gate(3);
        machine.Run(a => a.int3());
        Assert.Equal(0UL, machine.Stack(2) & (ulong)RflagsBits.Rf);
    }

    [Fact]
    public void Iretq_goes_back_to_user_mode()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(0x80, access: 0xEE);
        machine.Gate(0x81, access: 0xEE, offset: ProtectedMachine.Handler + 0x100);
        machine.Fill(ProtectedMachine.Handler, a => a.iretq());
        machine.Fill(ProtectedMachine.Handler + 0x100, a => a.hlt());
        machine.RunUser(a =>
        {
            a.@int(0x80);
            a.mov(ebx, 5);
            a.@int(0x81);
        });
        Assert.Equal(5UL, machine.State->Gpr.Rbx);
        Assert.Equal(ProtectedMachine.UserStack, machine.Stack(3));
    }

    [Fact]
    public void Single_step_traps_after_the_instruction_with_BS()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(1);
        machine.Run(a =>
        {
            a.pushfq();
            a.or(__dword_ptr[rsp], 0x100);
            a.popfq();
            a.inc(ebx);
            a.inc(ebx);
        });
        Assert.True(machine.HandlerRan);
        Assert.Equal(1UL, machine.State->Gpr.Rbx);
        Assert.NotEqual(0UL, machine.State->Dr[6] & (ulong)Dr6Bits.Bs);
    }

    [Fact]
    public void A_load_of_ss_holds_back_the_single_step_trap()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(1);
        machine.Run(a =>
        {
            a.mov(ecx, ProtectedMachine.KernelData);
            a.pushfq();
            a.or(__dword_ptr[rsp], 0x100);
            a.popfq();
            a.mov(ss, ecx);
            a.inc(ebx);
            a.inc(ebx);
        });
        Assert.Equal(1UL, machine.State->Gpr.Rbx);
    }

    [Fact]
    public void An_instruction_breakpoint_is_a_fault_before_the_instruction()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(1);
        machine.State->Dr[0] = ProtectedMachine.Code + 2;
        machine.State->Dr[7] = 0x402;
        machine.Processor.StateLoaded();
        machine.State->EventPending = 1;
        machine.Run(a =>
        {
            a.inc(ebx);
            a.inc(ebx);
        });
        Assert.Equal(1UL, machine.State->Gpr.Rbx);
        Assert.Equal(ProtectedMachine.Code + 2UL, machine.Stack(0));
        Assert.Equal(1UL, machine.State->Dr[6] & 15);
    }

    [Fact]
    public void A_data_breakpoint_traps_after_the_write()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(1);
        machine.State->Dr[1] = ProtectedMachine.Data;
        machine.State->Dr[7] = 0x400 | 8 | 0xD << 20;
        machine.Processor.StateLoaded();
        machine.Run(a =>
        {
            a.mov(rcx, (long)ProtectedMachine.Data);
            a.mov(__dword_ptr[rcx], 7);
            a.inc(ebx);
        });
        Assert.Equal(0UL, machine.State->Gpr.Rbx);
        Assert.Equal(7u, machine.Word(ProtectedMachine.Data));
        Assert.Equal(2UL, machine.State->Dr[6] & 15);
    }

    [Fact]
    public void General_detect_faults_an_access_to_debug_registers()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(1);
        machine.State->Dr[7] = 0x2400;
        machine.Run(a => a.mov(rax, dr0));
        Assert.Equal(ProtectedMachine.Code, machine.Stack(0));
        Assert.NotEqual(0UL, machine.State->Dr[6] & (ulong)Dr6Bits.Bd);
        Assert.Equal(0UL, machine.State->Dr[7] & (ulong)Dr7Bits.Gd);
    }
}
