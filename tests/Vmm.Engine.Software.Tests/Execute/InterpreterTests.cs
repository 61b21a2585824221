using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Software.Tests.Execute;

public sealed unsafe class InterpreterTests
{
    [Fact]
    public void A_loop_runs_as_often_as_it_says_and_every_instruction_counts()
    {
        using TestMachine machine = new(tier: ExecutionTier.Interpreter);
        machine.Run(a =>
        {
            Label loop = a.CreateLabel();
            a.mov(ecx, 1000);
            a.Label(ref loop);
            a.add(rax, 3);
            a.dec(ecx);
            a.jnz(loop);
        });
        Assert.Equal(3000UL, machine.State->Gpr.Rax);
        Assert.Equal(1UL + 3 * 1000, machine.State->InstructionsRetired);
    }

    [Fact]
    public void A_fault_leaves_the_state_as_before_its_instruction()
    {
        using TestMachine machine = new();
        ulong fault = 0;
        machine.Run(a =>
        {
            a.mov(eax, 5);
            a.mov(rbx, 0x4000_0000L);
            fault = TestMachine.CodeAddress + 5 + 10;
            a.add(__dword_ptr[rbx], eax);
            a.mov(eax, 6);
        });
        Assert.Equal(ExceptionVector.PageFault, machine.Fault);
        Assert.Equal(2u, machine.FaultErrorCode);
        Assert.Equal(fault, machine.State->Rip);
        Assert.Equal(5UL, machine.State->Gpr.Rax);
        Assert.Equal(2UL, machine.State->InstructionsRetired);
    }

    [Fact]
    public void An_instruction_that_changes_the_next_one_changes_it_at_once()
    {
        using TestMachine machine = new();
        machine.Run(a =>
        {
            Label target = a.CreateLabel();
            a.lea(rbx, __[target]);
            a.mov(__byte_ptr[rbx + 1], 7);
            a.Label(ref target);
            a.mov(eax, 1);
            a.inc(ecx);
        });
        Assert.Equal(7UL, machine.State->Gpr.Rax);
        Assert.Equal(1UL, machine.State->Gpr.Rcx);
    }

    [Fact]
    public void A_loop_that_changes_its_own_code_every_time_sees_each_change()
    {
        using TestMachine machine = new();
        machine.Run(a =>
        {
            Label loop = a.CreateLabel();
            Label target = a.CreateLabel();
            a.mov(ecx, 100);
            a.lea(rbx, __[target]);
            a.Label(ref loop);
            a.mov(__byte_ptr[rbx + 2], cl);
            a.Label(ref target);
            a.add(edx, 0);
            a.dec(ecx);
            a.jnz(loop);
        });
        Assert.Equal(100UL * 101 / 2, machine.State->Gpr.Rdx);
    }

    [Fact]
    public void Straight_code_is_run_across_blocks_and_pages()
    {
        using TestMachine machine = new();
        machine.Run(a =>
        {
            for (int n = 0; n < 3000; n++)
            {
                a.add(eax, 1);
            }
        });
        Assert.Equal(3000UL, machine.State->Gpr.Rax);
    }

    [Fact]
    public void An_instruction_across_pages_faults_at_the_second_page_when_that_is_missing()
    {
        using TestMachine machine = new();
        PageTables tables = new(machine);
        ulong linear = 0x4000_0000;
        tables.Map(linear, 0x5000, PageTables.Writable);
        new byte[] { 0xB8, 1 }.CopyTo(machine.Memory.Bytes[0x5FFE..]);
        machine.State->Rip = linear + 0xFFE;
        machine.Run();
        Assert.Equal(ExceptionVector.PageFault, machine.Fault);
        Assert.Equal(linear + 0x1000, machine.State->FaultAddress);
        Assert.Equal(linear + 0xFFE, machine.State->Rip);

        tables.Map(linear + 0x1000, 0x7000, PageTables.Writable);
        new byte[] { 2, 3, 4, 0xF4 }.CopyTo(machine.Memory.Bytes[0x7000..]);
        machine.Run();
        Assert.Null(machine.Fault);
        Assert.Equal(0x0403_0201UL, machine.State->Gpr.Rax);
    }

    [Fact]
    public void The_same_code_at_another_linear_address_is_other_code()
    {
        using TestMachine machine = new();
        PageTables tables = new(machine);
        tables.Map(0x4000_0000, 0x5000, 0);
        tables.Map(0x4000_1000, 0x5000, 0);
        machine.Memory.Write(0x5000, [0x48, 0x8D, 0x05, 0, 0, 0, 0, 0xF4]);
        foreach (ulong start in (ReadOnlySpan<ulong>)[0x4000_0000, 0x4000_1000, 0x4000_0000])
        {
            machine.State->Rip = start;
            machine.Run();
            Assert.Equal(start + 7, machine.State->Gpr.Rax);
        }
    }

    [Fact]
    public void A_page_mapped_anew_is_run_anew_after_its_invalidation()
    {
        using TestMachine machine = new();
        PageTables tables = new(machine);
        machine.Memory.Write(0x5000, [0xB0, 1, 0xF4]);
        machine.Memory.Write(0x6000, [0xB0, 2, 0xF4]);
        tables.Map(0x4000_0000, 0x5000, 0);
        machine.State->Rip = 0x4000_0000;
        machine.Run();
        tables.Map(0x4000_0000, 0x6000, 0);
        machine.Processor.Mmu.FlushPage(0x4000_0000);
        machine.State->Rip = 0x4000_0000;
        machine.Run();
        Assert.Equal(2UL, machine.State->Gpr.Rax);
    }

    [Fact]
    public void User_code_cannot_run_a_supervisor_page_that_the_supervisor_has_just_run()
    {
        using TestMachine machine = new();
        PageTables tables = new(machine);
        machine.Memory.Write(0x5000, [0xF4]);
        tables.Map(0x4000_0000, 0x5000, 0);
        machine.State->Rip = 0x4000_0000;
        machine.Run();
        Assert.Null(machine.Fault);
        machine.State->Rip = 0x4000_0000;
        machine.State->Cpl = 3;
        machine.Processor.StateLoaded();
        machine.Run();
        Assert.Equal(ExceptionVector.PageFault, machine.Fault);
        Assert.Equal(0x15u, machine.FaultErrorCode);
    }

    [Fact]
    public void Step_runs_one_instruction()
    {
        using TestMachine machine = new();
        machine.Load(a =>
        {
            a.inc(eax);
            a.inc(eax);
        });
        Assert.Equal(Outcome.Branch, machine.Step());
        Assert.Equal(1UL, machine.State->Gpr.Rax);
        Assert.Equal(TestMachine.CodeAddress + 2, machine.State->Rip);
        Assert.Equal(Outcome.Branch, machine.Step());
        Assert.Equal(2UL, machine.State->Gpr.Rax);
    }

    [Fact]
    public void With_TF_set_every_instruction_is_reported()
    {
        using TestMachine machine = new();
        machine.Load(a =>
        {
            a.inc(eax);
            a.inc(eax);
            a.inc(eax);
        });
        machine.State->SystemFlags |= (ulong)RflagsBits.Tf;
        BlockMode.Update(machine.State);
        machine.Run();
        Assert.Equal(3, machine.SingleInstructions);
    }

    [Fact]
    public void Too_many_blocks_for_the_storage_are_no_problem()
    {
        using TestMachine machine = new(memorySize: 16 << 20, tier: ExecutionTier.Interpreter);
        const int Pages = 1500;
        Span<byte> code = machine.Memory.Bytes;
        code[0x20_0000..(0x20_0000 + Pages * 0x1000)].Fill(0x90);
        machine.Memory.Bytes[0x20_0000 + Pages * 0x1000] = 0xF4;
        for (int n = 0; n < 2; n++)
        {
            machine.State->Rip = 0x20_0000;
            machine.Run();
            Assert.Null(machine.Fault);
        }

        Assert.True(machine.Processor.Blocks.Decoded > Pages * 64);
        Assert.Equal(2UL * Pages * 0x1000, machine.State->InstructionsRetired);
    }

    [Fact]
    public void Real_mode_code_runs_with_16_bit_operands_and_addresses()
    {
        using TestMachine machine = new(16);
        machine.Run(a =>
        {
            a.mov(bx, 0x10);
            a.mov(si, 0xFFFF);
            a.mov(__word_ptr[bx + si], 0x1234);
            a.mov(ax, __word_ptr[0xF]);
            a.push(ax);
            a.pop(cx);
        });
        Assert.Null(machine.Fault);
        Assert.Equal(0x1234UL, machine.State->Gpr.Rcx);
        Assert.Equal(0x34, machine.Memory.Bytes[(int)TestMachine.DataAddress + 0xF]);
    }

    [Fact]
    public void A_real_mode_access_across_the_segment_limit_is_a_general_protection_fault()
    {
        using TestMachine machine = new(16);
        machine.Run(a => a.mov(ax, __word_ptr[0xFFFF]));
        Assert.Equal(ExceptionVector.GeneralProtection, machine.Fault);
    }
}
