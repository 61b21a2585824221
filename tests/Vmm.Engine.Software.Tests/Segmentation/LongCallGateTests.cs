using Vmm.Engine.Software.State;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Segmentation;

/// <summary>64-bit call gates (SDM Vol. 3A 5.8.3.1, 5.8.5.1).</summary>
public sealed unsafe class LongCallGateTests
{
    private const ushort Gate = ProtectedMachine.Free; // 16 bytes
    private const ushort Other = ProtectedMachine.Free + 0x10;
    private const ushort UserGate = Gate | 3;

    [Fact]
    public void A_call_to_an_inner_level_takes_the_stack_of_the_TSS_and_a_null_SS()
    {
        using ProtectedMachine machine = Machine();
        CallFromUser(machine);
        Assert.True(machine.HandlerRan);
        Assert.Equal(0, machine.State->Cpl);
        Assert.Equal(0, machine.State->Ss.Selector);
        Assert.Equal(ProtectedMachine.KernelStack - 32UL, machine.State->Gpr.Rsp);
        Assert.Equal(ProtectedMachine.UserCode + 7UL, machine.Stack(0));
        Assert.Equal(ProtectedMachine.UserCodeSelector, machine.Stack(1));
        Assert.Equal(ProtectedMachine.UserStack, machine.Stack(2));
        Assert.Equal(ProtectedMachine.UserData, machine.Stack(3));
    }

    [Fact]
    public void A_far_return_goes_back_to_the_caller_and_its_stack()
    {
        using ProtectedMachine machine = Machine();
        machine.Gate(0x81, access: 0xEE, offset: ProtectedMachine.Handler + 0x100);
        machine.Fill(ProtectedMachine.Handler, a => a.db(0x48, 0xCB) /* RETFQ */);
        machine.Fill(ProtectedMachine.Handler + 0x100, a => a.hlt());
        PutPointer(machine, UserGate);
        machine.RunUser(a =>
        {
            a.call(__fword_ptr[ProtectedMachine.Data]);
            a.mov(rbx, rsp);
            a.@int(0x81);
        });
        Assert.Equal(ProtectedMachine.UserStack, machine.State->Gpr.Rbx);
        Assert.Equal(ProtectedMachine.UserCodeSelector, machine.Stack(1));
    }

    [Fact]
    public void A_call_at_the_same_level_pushes_quadwords_on_the_current_stack()
    {
        using ProtectedMachine machine = Machine();
        PutPointer(machine, Gate);
        machine.Run(a => a.call(__fword_ptr[ProtectedMachine.Data]));
        Assert.True(machine.HandlerRan);
        Assert.Equal(ProtectedMachine.KernelStack - 16UL, machine.State->Gpr.Rsp);
        Assert.Equal(ProtectedMachine.KernelCode, machine.Stack(1));
    }

    [Fact]
    public void The_gate_holds_all_64_bits_of_the_offset()
    {
        using ProtectedMachine machine = Machine(upper: 0x8000);
        machine.Gate(13);
        CallFromUser(machine);
        Assert.Equal(0UL, machine.Stack(0)); // not canonical: #GP(0)
        Assert.Equal(ProtectedMachine.UserCode, machine.Stack(1));
    }

    [Theory]
    [InlineData(0x8C, ProtectedMachine.KernelCode, 0ul, UserGate & ~3)] // a gate of level 0
    [InlineData(0xE4, ProtectedMachine.KernelCode, 0ul, UserGate & ~3)] // no 16-bit gates in IA-32e mode
    [InlineData(0xEC, ProtectedMachine.KernelCode, 0x0C00_0000_0000ul, UserGate & ~3)] // a type in the upper half
    [InlineData(0xEC, ProtectedMachine.KernelData, 0ul, ProtectedMachine.KernelData)] // to data
    [InlineData(0xEC, Other, 0ul, Other)] // to 32-bit code
    [InlineData(0xEC, 0, 0ul, 0)] // to nowhere
    public void A_bad_gate_is_a_protection_fault_with_its_selector(uint access, ushort target, ulong upper, int error)
    {
        using ProtectedMachine machine = Machine(access, target, upper);
        machine.Descriptor(Other, ProtectedMachine.Segment(0x9B));
        machine.Gate(13);
        CallFromUser(machine);
        Assert.True(machine.HandlerRan);
        Assert.Equal((ulong)error, machine.Stack(0));
        Assert.Equal(ProtectedMachine.UserCode, machine.Stack(1));
    }

    [Fact]
    public void An_absent_gate_is_a_fault_of_its_own()
    {
        using ProtectedMachine machine = Machine(access: 0x6C);
        machine.Gate(11);
        CallFromUser(machine);
        Assert.True(machine.HandlerRan);
        Assert.Equal(UserGate & ~3UL, machine.Stack(0));
    }

    [Fact]
    public void A_gate_whose_upper_half_lies_beyond_the_table_is_a_protection_fault()
    {
        using ProtectedMachine machine = Machine();
        machine.Gate(13);
        machine.State->GdtrLimit = Gate + 7;
        CallFromUser(machine);
        Assert.Equal(UserGate & ~3UL, machine.Stack(0));
    }

    [Fact]
    public void A_jump_through_a_gate_changes_no_level()
    {
        using ProtectedMachine machine = Machine();
        machine.Gate(13);
        PutPointer(machine, UserGate);
        machine.RunUser(a => a.jmp(__fword_ptr[ProtectedMachine.Data]));
        Assert.Equal(ProtectedMachine.KernelCode, machine.Stack(0));
    }

    [Fact]
    public void Compatibility_mode_code_calls_64_bit_code()
    {
        using ProtectedMachine machine = Machine();
        machine.Descriptor(Other, ProtectedMachine.Segment(0xFB));
        machine.Gate(0x81, access: 0xEE, offset: ProtectedMachine.UserCode + 0x100);
        machine.Fill(ProtectedMachine.UserCode, a => a.call(UserGate, 0u), bitness: 32);
        machine.State->Cs = new SegmentCache { Selector = Other | 3, Limit = uint.MaxValue, AccessRights = 0xC0FB };
        machine.State->Ss = new SegmentCache { Selector = ProtectedMachine.UserData, Limit = uint.MaxValue, AccessRights = 0xC0F3 };
        machine.State->Cpl = 3;
        machine.State->Gpr.Rsp = ProtectedMachine.UserStack;
        machine.State->Rip = ProtectedMachine.UserCode;
        machine.Processor.StateLoaded();
        Software.Execute.Interpreter.Run(machine.Processor);
        Assert.True(machine.HandlerRan);
        Assert.True(machine.State->Cs.IsLong);
        Assert.Equal(Other | 3UL, machine.Stack(1));
        Assert.Equal(ProtectedMachine.UserStack, machine.Stack(2));
    }

    private static void CallFromUser(ProtectedMachine machine)
    {
        PutPointer(machine, UserGate);
        machine.RunUser(a => a.call(__fword_ptr[ProtectedMachine.Data]));
    }

    private static void PutPointer(ProtectedMachine machine, ushort selector)
    {
        machine.Write(ProtectedMachine.Data, 0u);
        machine.Write(ProtectedMachine.Data + 4, selector);
    }

    private static ProtectedMachine Machine(uint access = 0xEC, ushort target = ProtectedMachine.KernelCode, ulong upper = 0)
    {
        ProtectedMachine machine = new(64);
        machine.Descriptor(Gate, ProtectedMachine.GateTo(target, ProtectedMachine.Handler, access));
        machine.Write(ProtectedMachine.Gdt + Gate + 8u, upper);
        return machine;
    }
}
