using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Differential.Native;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Translate;

/// <summary>SYSCALL, SYSRET, STAC and CLAC translated: lockstep fails where anything differs from the interpreter.</summary>
public sealed unsafe class SystemCallTests
{
    private const ulong Kernel = 0x1_1000;

    [NativeTheory]
    [InlineData(0x25_7FD5UL, 0x202UL)]
    [InlineData(0UL, 0x8D7UL)]
    [InlineData(0x1UL, 0x24_0ED7UL)]
    [InlineData(0x4_0000UL, 0x4_0202UL)]
    public void System_calls_and_returns_change_everything_that_depends_on_the_privilege(ulong mask, ulong flags)
    {
        using TestMachine machine = Prepare(mask);
        CpuState* s = machine.State;
        s->Cr4 |= (ulong)Cr4Bits.Smap;
        machine.Memory.Write(Kernel, Assemble(a =>
        {
            a.stac();
            a.mov(rax, __[(long)TestMachine.DataAddress]);
            a.clac();
            a.mov(rbx, rcx);
            a.mov(rdi, r11);
            a.sysretq();
        }));
        machine.Load(a =>
        {
            // To user mode first.
            Iced.Intel.Label user = a.CreateLabel();
            a.lea(rcx, __[user]);
            a.mov(r11d, (int)flags);
            a.sysretq();
            a.Label(ref user);
            a.inc(ebp);
            a.syscall();
            a.inc(ebp);
        });
        machine.Run();
        Assert.Null(machine.Fault);
        Assert.Equal(2UL, s->Gpr.Rbp);
        Assert.Equal(3, s->Cpl);
        Assert.Equal(0x33, s->Cs.Selector);
        Assert.Equal(0x2B, s->Ss.Selector);
        Assert.NotEqual(0UL, s->Gpr.Rdi & (ulong)RflagsBits.Fixed1);
    }

    [NativeFact]
    public void A_return_to_an_address_that_is_not_canonical_faults_with_everything_as_before()
    {
        using TestMachine machine = Prepare(0);
        machine.Run(a =>
        {
            a.mov(rcx, 0x8000_0000_0000);
            a.mov(r11d, 0x202);
            a.sysretq();
        });
        Assert.Equal(ExceptionVector.GeneralProtection, machine.Fault);
        Assert.Equal(0, machine.State->Cpl);
    }

    [NativeFact]
    public void Without_its_enable_bit_a_system_call_is_UD()
    {
        using TestMachine machine = Prepare(0);
        machine.State->Efer &= ~(ulong)EferBits.Sce;
        machine.Run(a => a.syscall());
        Assert.Equal(ExceptionVector.InvalidOpcode, machine.Fault);
    }

    [NativeFact]
    public void User_pages_are_out_of_reach_again_after_CLAC()
    {
        using TestMachine machine = Prepare(0);
        machine.State->Cr4 |= (ulong)Cr4Bits.Smap;
        machine.Processor.Mmu.UpdatePrivilege();
        machine.Run(a =>
        {
            a.stac();
            a.mov(__qword_ptr[(long)TestMachine.DataAddress], 5);
            a.clac();
            a.mov(eax, 1);
            a.mov(__qword_ptr[(long)TestMachine.DataAddress], 6);
        });
        Assert.Equal(ExceptionVector.PageFault, machine.Fault);
        Assert.Equal(1UL, machine.State->Gpr.Rax);
        Assert.Equal(5, machine.Memory.Bytes[(int)TestMachine.DataAddress]);
    }

    [NativeTheory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    public void A_system_return_that_sets_IF_looks_for_an_interrupt_that_waits(byte awaited, int looks)
    {
        using TestMachine machine = Prepare(0, ExecutionTier.Translator);
        machine.State->AwaitsInterruptWindow = awaited;
        machine.Run(a =>
        {
            Iced.Intel.Label user = a.CreateLabel();
            a.lea(rcx, __[user]);
            a.mov(r11d, 0x202);
            a.sysretq();
            a.Label(ref user);
        });
        Assert.Equal(looks, machine.Looks);
    }

    [NativeTheory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    public void STI_looks_for_an_interrupt_that_waits_behind_the_NOP(byte awaited, int looks)
    {
        using TestMachine machine = Prepare(0, ExecutionTier.Translator);
        machine.State->AwaitsInterruptWindow = awaited;
        machine.Run(a =>
        {
            a.sti();
            a.nop();
            a.nop();
        });
        Assert.Equal(looks, machine.Looks);
    }

    [NativeTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void STI_and_the_NOP_in_its_shadow_are_one_step(bool awaited)
    {
        using TestMachine machine = Prepare(0);
        machine.State->AwaitsInterruptWindow = (byte)(awaited ? 1 : 0);
        machine.Run(a =>
        {
            a.mov(ecx, 3);
            Iced.Intel.Label again = a.CreateLabel();
            a.Label(ref again);
            a.cli();
            a.cmp(ecx, 100);
            a.sti();
            a.nop();
            a.sbb(edx, edx);
            a.dec(ecx);
            a.jnz(again);
        });
        Assert.Null(machine.Fault);
        Assert.NotEqual(0UL, machine.State->SystemFlags & (ulong)RflagsBits.If);
        Assert.Equal(0, machine.State->Interruptibility);
        Assert.Equal(uint.MaxValue, machine.State->Gpr.Rdx);
        Assert.Equal(0, machine.SingleInstructions);
    }

    private static TestMachine Prepare(ulong mask, ExecutionTier tier = ExecutionTier.Lockstep)
    {
        TestMachine machine = new(tier: tier);
        machine.State->Efer |= (ulong)EferBits.Sce;
        machine.State->Star = 0x10UL << 32 | 0x23UL << 48;
        machine.State->Lstar = Kernel;
        machine.State->Fmask = mask;
        return machine;
    }

    private static byte[] Assemble(Action<Iced.Intel.Assembler> code)
    {
        Iced.Intel.Assembler assembler = new(64);
        code(assembler);
        using MemoryStream stream = new();
        assembler.Assemble(new Iced.Intel.StreamCodeWriter(stream), Kernel);
        return stream.ToArray();
    }
}
