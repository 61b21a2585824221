using Vmm.Engine.Software.State;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Software.Tests.Segmentation;

/// <summary>Tasks with 16-bit task-state segments (SDM Vol. 3A 8.6).</summary>
public sealed unsafe class Task16Tests
{
    private const uint Other = ProtectedMachine.OtherTss;
    private const ushort OtherSelector = ProtectedMachine.OtherTssSelector;

    // Offsets in a 16-bit TSS (figure 8-10).
    private const uint Link = 0, Sp0 = 2, Ss0 = 4, Ip = 14, Flags = 16, Ax = 18, Sp = 26, Si = 30, Es = 34, Cs = 36, Ss = 38, Ds = 40;

    [Fact]
    public void A_jump_loads_16_bit_registers_and_four_segments()
    {
        using ProtectedMachine machine = Machine();
        machine.Run(a =>
        {
            a.mov(eax, ProtectedMachine.KernelData);
            a.mov(fs, eax);
            a.jmp(OtherSelector, 0u);
        });
        Assert.Equal(0x8001UL, machine.State->Rip); // behind the HLT of the task
        Assert.Equal(0x1234, (ushort)machine.State->Gpr.Rsi);
        Assert.Equal(0x7000, (ushort)machine.State->Gpr.Rsp);
        Assert.Equal(ProtectedMachine.KernelData, machine.State->Ds.Selector);
        Assert.True(machine.State->Fs.IsUnusable); // not in a 16-bit TSS
        Assert.Equal(0, machine.State->Ldtr.Selector);
        Assert.Equal(OtherSelector, machine.State->Tr.Selector);
        Assert.Equal(0x83u, machine.State->Tr.AccessRights & 0xFF);
        Assert.NotEqual(0UL, machine.State->Cr0 & (ulong)Cr0Bits.Ts);
    }

    [Fact]
    public void A_called_task_returns_and_leaves_its_registers_in_its_TSS()
    {
        using ProtectedMachine machine = Machine();
        machine.Fill(0x8000, a =>
        {
            a.mov(ax, 0x5678);
            a.iretd();
        });
        machine.Run(a =>
        {
            a.mov(ebx, 0x7_7777);
            a.call(OtherSelector, 0u);
            a.inc(ebx);
        });
        Assert.Equal(0x7_7778UL, machine.State->Gpr.Rbx);
        Assert.Equal(ProtectedMachine.TssSelector, machine.State->Tr.Selector);
        Assert.Equal(ProtectedMachine.TssSelector, (ushort)machine.Word(Other + Link));
        Assert.Equal(0x5678, (ushort)machine.Word(Other + Ax));
        Assert.Equal(0x8005, (ushort)machine.Word(Other + Ip)); // behind IRET
        Assert.Equal(0x81u, machine.Word(ProtectedMachine.Gdt + OtherSelector + 4u) >> 8 & 0xFF);
    }

    [Fact]
    public void An_interrupt_of_a_16_bit_task_takes_the_stack_of_its_TSS()
    {
        using ProtectedMachine machine = Machine();
        machine.Gate(0x81, access: 0xEE);
        machine.Write(Other + Cs, ProtectedMachine.UserCodeSelector);
        foreach (uint offset in (uint[])[Es, Ss, Ds])
        {
            machine.Write(Other + offset, ProtectedMachine.UserData);
        }

        machine.Write(Other + Sp0, (ushort)0x6000);
        machine.Write(Other + Ss0, ProtectedMachine.KernelData);
        machine.Fill(0x8000, a => a.@int(0x81));
        machine.Run(a => a.jmp(OtherSelector, 0u));
        Assert.True(machine.HandlerRan);
        Assert.Equal(0x6000UL - 20, machine.State->Gpr.Rsp);
        Assert.Equal(ProtectedMachine.UserCodeSelector, machine.Stack(1));
    }

    [Fact]
    public void A_virtual_8086_task_that_is_left_for_a_16_bit_task_leaves_its_mode_behind()
    {
        using ProtectedMachine machine = Machine();
        machine.Gate(13, access: 0x85, selector: OtherSelector, offset: 0);
        machine.Fill(ProtectedMachine.Data, a => a.hlt(), bitness: 16);
        machine.Run(a =>
        {
            for (int n = 0; n < 5; n++)
            {
                a.push(0);
            }

            a.push(0x2000);
            a.push((int)(RflagsBits.Vm | RflagsBits.Fixed1));
            a.push((int)(ProtectedMachine.Data >> 4));
            a.push(0);
            a.iretd();
        });
        Assert.Equal(0x8001UL, machine.State->Rip);
        Assert.Equal(0UL, machine.State->SystemFlags & (ulong)RflagsBits.Vm);
        Assert.NotEqual(0UL, machine.State->SystemFlags & (ulong)RflagsBits.Nt);
        Assert.NotEqual(0u, machine.Word(ProtectedMachine.Tss + 36) & (uint)RflagsBits.Vm);
    }

    [Fact]
    public void A_16_bit_TSS_that_is_too_short_is_an_invalid_TSS()
    {
        using ProtectedMachine machine = Machine(limit: 0x2A);
        machine.Gate(10);
        machine.Run(a => a.jmp(OtherSelector, 0u));
        Assert.True(machine.HandlerRan);
        Assert.Equal(OtherSelector, machine.Stack(0));
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    [InlineData(0xFFFE, false)] // the other bits are reserved
    public void The_T_flag_of_a_32_bit_TSS_traps_at_the_first_instruction(int flags, bool traps)
    {
        using ProtectedMachine machine = new();
        machine.Gate(1, offset: ProtectedMachine.Handler + 0x100);
        machine.Fill(ProtectedMachine.Handler + 0x100, a => a.hlt());
        machine.Write(Other + 32, ProtectedMachine.Handler);
        machine.Write(Other + 36, 2u);
        machine.Write(Other + 56, 0x7000u);
        machine.Write<uint>(Other + 76, ProtectedMachine.KernelCode);
        foreach (uint offset in (uint[])[72, 80, 84, 88, 92])
        {
            machine.Write<uint>(Other + offset, ProtectedMachine.KernelData);
        }

        machine.Write(Other + 100, (ushort)flags);
        machine.Run(a => a.jmp(OtherSelector, 0u));
        Assert.Equal(traps, machine.State->Rip == ProtectedMachine.Handler + 0x101);
        Assert.Equal(traps, (machine.State->Dr[6] & (ulong)Dr6Bits.Bt) != 0);
    }

    private static ProtectedMachine Machine(uint limit = 0x2B)
    {
        ProtectedMachine machine = new();
        machine.Descriptor(OtherSelector, ProtectedMachine.Segment(0x81, Other, limit, 0));
        machine.Write(Other + Ip, (ushort)0x8000);
        machine.Write(Other + Flags, (ushort)2);
        machine.Write(Other + Sp, (ushort)0x7000);
        machine.Write(Other + Si, (ushort)0x1234);
        machine.Write(Other + Cs, ProtectedMachine.KernelCode);
        foreach (uint offset in (uint[])[Es, Ss, Ds])
        {
            machine.Write(Other + offset, ProtectedMachine.KernelData);
        }

        machine.Fill(0x8000, a => a.hlt());
        return machine;
    }
}
