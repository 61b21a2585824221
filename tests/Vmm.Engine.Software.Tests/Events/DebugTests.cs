using Vmm.Engine.Software.Tests.Segmentation;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Software.Tests.Events;

/// <summary>I/O breakpoints, single step and the resume flag (SDM Vol. 3B 18.2, 18.3.1).</summary>
public sealed unsafe class DebugTests
{
    private const ulong Tf = (ulong)RflagsBits.Tf;
    private const ulong Rf = (ulong)RflagsBits.Rf;

    // Breakpoint 0 on I/O; its length in bits 19:18.
    private const ulong IoBreakpoint = 0x400 | 2 | 2 << 16;

    [Theory]
    [InlineData(0x80, 1, 0x80, 0, true)]
    [InlineData(0x81, 1, 0x80, 0, false)]
    [InlineData(0x81, 1, 0x80, 1, true)] // two ports
    [InlineData(0x83, 1, 0x80, 3, true)] // four ports
    [InlineData(0x84, 1, 0x80, 3, false)]
    [InlineData(0x7F, 2, 0x80, 0, true)] // the access reaches the port
    [InlineData(0x7C, 4, 0x80, 0, false)]
    public void An_IO_breakpoint_traps_behind_the_access(int port, int width, int breakpoint, int length, bool traps)
    {
        using ProtectedMachine machine = Breakpoint((ulong)breakpoint, IoBreakpoint | (ulong)length << 18);
        machine.Run(a =>
        {
            a.mov(edx, port);
            switch (width)
            {
                case 1:
                    a.@out(dx, al);
                    break;
                case 2:
                    a.@in(ax, dx);
                    break;
                default:
                    a.@in(eax, dx);
                    break;
            }

            a.inc(ebx);
        });
        Assert.Equal(traps, machine.HandlerRan);
        Assert.Equal(traps ? 0UL : 1, machine.State->Gpr.Rbx);
        Assert.Equal(traps ? 1UL : 0, machine.State->Dr[6] & 15);
    }

    [Fact]
    public void Without_CR4_DE_there_are_no_IO_breakpoints()
    {
        using ProtectedMachine machine = Breakpoint(0x80, IoBreakpoint);
        machine.State->Cr4 &= ~(ulong)Cr4Bits.De;
        machine.Run(a =>
        {
            a.@out(0x80, al);
            a.inc(ebx);
        });
        Assert.False(machine.HandlerRan);
    }

    [Fact]
    public void An_IO_breakpoint_traps_after_each_element_of_a_repeated_OUTS_with_RF_until_the_last()
    {
        using ProtectedMachine machine = Breakpoint(0x80, IoBreakpoint);
        CountTraps(machine);
        machine.Run(a =>
        {
            a.mov(esi, (int)ProtectedMachine.Data);
            a.mov(edx, 0x80);
            a.mov(ecx, 3);
            a.rep.outsb();
            a.inc(ebx);
        });
        Assert.Equal(1UL, machine.State->Gpr.Rbx);
        Assert.Equal(3UL, machine.State->Gpr.Rbp);
        Assert.Equal(0b011UL, machine.State->Gpr.Rdi); // RF of the first, second and third trap, from bit 0
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Single_step_traps_after_each_iteration_with_RF_until_the_last(bool port)
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(1);
        CountTraps(machine);
        machine.Run(a =>
        {
            a.mov(esi, (int)ProtectedMachine.Data);
            a.mov(edx, 0x80);
            a.mov(ecx, 3);
            SetTf(a);
            if (port)
            {
                a.rep.outsb();
            }
            else
            {
                a.rep.lodsb();
            }

            ClearTf(a);
        });
        Assert.Equal(0UL, machine.State->Gpr.Rcx);
        Assert.Equal(0b011UL, machine.State->Gpr.Rdi & 7);
        Assert.NotEqual(0UL, machine.State->Dr[6] & (ulong)Dr6Bits.Bs);
    }

    [Fact]
    public void An_instruction_breakpoint_on_a_repeated_instruction_faults_once()
    {
        using ProtectedMachine machine = Breakpoint(ProtectedMachine.Code + 10, 0x402);
        CountTraps(machine, setsRf: true);
        machine.Run(a =>
        {
            a.mov(esi, (int)ProtectedMachine.Data);
            a.mov(ecx, 3);
            a.rep.lodsb();
            a.inc(ebx);
        });
        Assert.Equal(1UL, machine.State->Gpr.Rbp);
        Assert.Equal(1UL, machine.State->Gpr.Rbx);
    }

    [Fact]
    public void RF_suppresses_the_breakpoint_of_one_instruction()
    {
        using ProtectedMachine machine = Breakpoint(ProtectedMachine.Code + 2, 0x402);
        CountTraps(machine, setsRf: true);
        machine.Run(a =>
        {
            a.mov(ecx, ecx);
            a.inc(ebx); // the breakpoint
            a.test(ebx, 1);
            a.pushfq();
            a.pop(r8);
            a.cmp(ebx, 2);
            a.jb(ProtectedMachine.Code + 2);
        });
        Assert.Equal(2UL, machine.State->Gpr.Rbx);
        Assert.Equal(2UL, machine.State->Gpr.Rbp); // each time the instruction is reached
        Assert.Equal(0UL, machine.State->Gpr.R8 & Rf);
    }

    [Fact]
    public void RF_is_gone_after_one_instruction_also_without_breakpoints()
    {
        using ProtectedMachine machine = new(64);
        machine.Gate(3);
        machine.Run(a =>
        {
            Iced.Intel.Label behind = a.CreateLabel();
            a.mov(rax, rsp);
            a.push(ProtectedMachine.KernelData);
            a.push(rax);
            a.push((int)(Rf | 2));
            a.push(ProtectedMachine.KernelCode);
            a.lea(rcx, __[behind]);
            a.push(rcx);
            a.iretq();
            a.Label(ref behind);
            a.nop();
            a.int3();
        });
        Assert.True(machine.HandlerRan);
        Assert.Equal(0UL, machine.Stack(2) & Rf);
    }

    private static ProtectedMachine Breakpoint(ulong address, ulong dr7)
    {
        ProtectedMachine machine = new(64);
        machine.Gate(1);
        machine.State->Cr4 |= (ulong)Cr4Bits.De;
        machine.State->Dr[0] = address;
        machine.State->Dr[7] = dr7;
        machine.Processor.StateLoaded();
        machine.State->EventPending = 1;
        return machine;
    }

    /// <summary>A handler that counts in RBP, collects the RF bits that were pushed in RDI, and returns.</summary>
    private static void CountTraps(ProtectedMachine machine, bool setsRf = false)
    {
        machine.State->Gpr.Rbp = 0;
        machine.State->Gpr.Rdi = 0;
        machine.Fill(ProtectedMachine.Handler, a =>
        {
            a.push(rax);
            a.push(rcx);
            a.mov(rax, __qword_ptr[rsp + 32]);
            a.shr(rax, 16);
            a.and(eax, 1);
            a.mov(ecx, ebp);
            a.shl(rax, cl);
            a.or(rdi, rax);
            a.inc(ebp);
            if (setsRf)
            {
                a.or(__dword_ptr[rsp + 32], (int)Rf);
            }

            a.pop(rcx);
            a.pop(rax);
            a.iretq();
        });
    }

    private static void SetTf(Iced.Intel.Assembler a)
    {
        a.pushfq();
        a.or(__dword_ptr[rsp], (int)Tf);
        a.popfq();
    }

    private static void ClearTf(Iced.Intel.Assembler a)
    {
        a.pushfq();
        a.and(__dword_ptr[rsp], ~(int)Tf);
        a.popfq();
    }
}
