using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Segmentation;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Software.Tests.SystemInstructions;

/// <summary>SYSENTER and SYSEXIT (SDM Vol. 3A 5.8.7).</summary>
public sealed unsafe class FastSystemCallTests
{
    private const uint Entry = ProtectedMachine.Handler;
    private const ulong EntryStack = 0x7000;

    [Theory]
    [InlineData(32, 0xC09Bu)]
    [InlineData(64, 0xA09Bu)]
    public void SYSENTER_enters_flat_code_of_level_0_with_interrupts_off(int bitness, uint code)
    {
        using ProtectedMachine machine = Machine(bitness);
        machine.State->SystemFlags |= (ulong)RflagsBits.If;
        machine.RunUser(a => a.sysenter());
        Assert.True(machine.HandlerRan);
        Assert.Equal(0, machine.State->Cpl);
        Assert.Equal(EntryStack, machine.State->Gpr.Rsp);
        Assert.Equal(0UL, machine.State->SystemFlags & (ulong)RflagsBits.If);
        Assert.Equal((ProtectedMachine.KernelCode, code), (machine.State->Cs.Selector, machine.State->Cs.AccessRights));
        Assert.Equal((ProtectedMachine.KernelData, 0xC093u), (machine.State->Ss.Selector, machine.State->Ss.AccessRights));
        Assert.Equal(uint.MaxValue, machine.State->Cs.Limit);
    }

    [Fact]
    public void SYSENTER_from_compatibility_mode_enters_64_bit_code()
    {
        using ProtectedMachine machine = Machine(64);
        machine.State->SysenterEsp = 0xFFFF_8000_0000_7000;
        machine.Fill(ProtectedMachine.UserCode, a => a.sysenter(), bitness: 32);
        EnterCompatibility(machine);
        Assert.True(machine.HandlerRan);
        Assert.True(machine.State->Cs.IsLong);
        Assert.Equal(0xFFFF_8000_0000_7000UL, machine.State->Gpr.Rsp);
    }

    [Theory]
    [InlineData(32, false, 0x1B)]
    [InlineData(64, false, 0x1B)] // to compatibility mode
    [InlineData(64, true, 0x2B)]
    public void SYSEXIT_returns_to_level_3_at_EDX_with_the_stack_at_ECX(int bitness, bool wide, int selector)
    {
        using ProtectedMachine machine = Machine(bitness);
        machine.Gate(0x81, access: 0xEE);
        machine.Fill(ProtectedMachine.UserCode, a => a.@int(0x81), wide ? 64 : 32);
        machine.Run(a =>
        {
            if (bitness == 64)
            {
                a.mov(rcx, (wide ? 0 : 1L << 40) | ProtectedMachine.UserStack);
                a.mov(rdx, (wide ? 0 : 1L << 40) | ProtectedMachine.UserCode);
            }
            else
            {
                a.mov(ecx, ProtectedMachine.UserStack);
                a.mov(edx, ProtectedMachine.UserCode);
            }

            if (wide)
            {
                a.sysexitq();
            }
            else
            {
                a.sysexit();
            }
        });
        Assert.True(machine.HandlerRan);
        Assert.Equal(ProtectedMachine.UserCode + 2UL, machine.Stack(0));
        Assert.Equal((ulong)selector, machine.Stack(1));
        Assert.Equal(ProtectedMachine.UserStack, machine.Stack(3));
        Assert.Equal((ulong)selector + 8, machine.Stack(4));
    }

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    public void Both_are_protection_faults_without_a_code_selector(int bitness)
    {
        using ProtectedMachine machine = Machine(bitness);
        machine.Gate(13);
        machine.State->SysenterCs = 3;
        machine.RunUser(a => a.sysenter());
        Assert.Equal(ProtectedMachine.UserCode, machine.Stack(1));
        Restart(machine);
        machine.Run(a => a.sysexit());
        Assert.Equal(ProtectedMachine.Code, machine.Stack(1));
    }

    [Fact]
    public void SYSENTER_faults_in_real_address_mode()
    {
        using ProtectedMachine machine = new(16);
        machine.State->SysenterCs = ProtectedMachine.KernelCode;
        machine.Fill(ProtectedMachine.Code, a => a.sysenter(), bitness: 16);
        machine.State->Rip = 0;
        machine.State->IdtrBase = ProtectedMachine.Idt;
        machine.Write(ProtectedMachine.Idt + (13 * 4), (ProtectedMachine.Handler >> 4) << 16);
        Interpreter.Run(machine.Processor);
        Assert.Equal(ProtectedMachine.Handler >> 4, machine.State->Cs.Selector);
    }

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    public void SYSEXIT_is_for_level_0_only(int bitness)
    {
        using ProtectedMachine machine = Machine(bitness);
        machine.Gate(13);
        machine.RunUser(a => a.sysexit());
        Assert.True(machine.HandlerRan);
        Assert.Equal(ProtectedMachine.UserCode, machine.Stack(1));
    }

    [Theory]
    [InlineData(1UL << 47, ProtectedMachine.UserCode)]
    [InlineData(ProtectedMachine.UserStack, 1UL << 47)]
    public void SYSEXIT_to_a_non_canonical_address_faults_before_it_leaves(ulong stack, ulong code)
    {
        using ProtectedMachine machine = Machine(64);
        machine.Gate(13);
        machine.Run(a =>
        {
            a.mov(rcx, stack);
            a.mov(rdx, code);
            a.sysexitq();
        });
        Assert.True(machine.HandlerRan);
        Assert.Equal(ProtectedMachine.KernelCode, machine.Stack(2));
    }

    private static void Restart(ProtectedMachine machine)
    {
        machine.State->Cs = new SegmentCache { Selector = ProtectedMachine.KernelCode, Limit = uint.MaxValue, AccessRights = machine.Bitness == 64 ? 0xA09Bu : 0xC09B };
        machine.State->Cpl = 0;
        machine.State->Gpr.Rsp = ProtectedMachine.KernelStack;
        machine.Processor.StateLoaded();
    }

    private static void EnterCompatibility(ProtectedMachine machine)
    {
        machine.State->Cs = new SegmentCache { Selector = ProtectedMachine.UserCodeSelector, Limit = uint.MaxValue, AccessRights = 0xC0FB };
        machine.State->Ss = new SegmentCache { Selector = ProtectedMachine.UserData, Limit = uint.MaxValue, AccessRights = 0xC0F3 };
        machine.State->Cpl = 3;
        machine.State->Rip = ProtectedMachine.UserCode;
        machine.Processor.StateLoaded();
        Interpreter.Run(machine.Processor);
    }

    private static ProtectedMachine Machine(int bitness)
    {
        ProtectedMachine machine = new(bitness);
        machine.State->SysenterCs = ProtectedMachine.KernelCode;
        machine.State->SysenterEip = Entry;
        machine.State->SysenterEsp = EntryStack;
        return machine;
    }
}
