using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Integer;

public sealed unsafe class DataMovementTests
{
    [Fact]
    public void Xlat_looks_AL_alone_up_in_the_table()
    {
        using TestMachine machine = new();
        machine.Memory.Bytes[(int)TestMachine.DataAddress + 0xFE] = 0x42;
        machine.Run(a =>
        {
            a.mov(rax, 0x1234_5678_9ABC_DEFEL);
            a.mov(rbx, (long)TestMachine.DataAddress);
            a.xlatb();
        });
        Assert.Null(machine.Fault);
        Assert.Equal(0x1234_5678_9ABC_DE42UL, machine.State->Gpr.Rax);
    }

    [Fact]
    public void A_32_bit_write_clears_the_upper_half_and_others_keep_the_rest()
    {
        using TestMachine machine = new();
        machine.State->Gpr.Rax = ulong.MaxValue;
        machine.State->Gpr.Rbx = ulong.MaxValue;
        machine.State->Gpr.Rcx = ulong.MaxValue;
        machine.Run(a =>
        {
            a.mov(eax, 1);
            a.mov(bx, 1);
            a.mov(ch, 1);
        });
        Assert.Equal(1UL, machine.State->Gpr.Rax);
        Assert.Equal(0xFFFF_FFFF_FFFF_0001UL, machine.State->Gpr.Rbx);
        Assert.Equal(0xFFFF_FFFF_FFFF_01FFUL, machine.State->Gpr.Rcx);
    }

    [Fact]
    public void Fs_relative_addresses_use_the_base_of_FS()
    {
        using TestMachine machine = new();
        machine.State->Fs.Base = TestMachine.DataAddress;
        machine.Processor.StateLoaded();
        machine.Memory.Bytes[(int)TestMachine.DataAddress + 0x28] = 0x66;
        machine.Run(a => a.mov(rax, __qword_ptr.fs[0x28]));
        Assert.Equal(0x66UL, machine.State->Gpr.Rax);
    }

    [Fact]
    public void Addresses_of_32_bits_wrap_in_64_bit_code()
    {
        using TestMachine machine = new();
        machine.Memory.Bytes[(int)TestMachine.DataAddress] = 0x66;
        machine.State->Gpr.Rbx = 0xFFFF_FFFF_FFFF_FFF0;
        machine.Run(a => a.mov(al, __byte_ptr[ebx + (int)TestMachine.DataAddress + 0x10]));
        Assert.Null(machine.Fault);
        Assert.Equal(0x66UL, machine.State->Gpr.Rax);
    }

    [Fact]
    public void A_PUSHA_that_does_not_fit_pushes_nothing()
    {
        using TestMachine machine = new(32);
        machine.State->Ss.AccessRights = 0xC097; // expand-down: offsets above the limit
        machine.State->Ss.Limit = (uint)TestMachine.StackTop - 13;
        machine.Processor.StateLoaded();
        machine.Run(a =>
        {
            a.mov(eax, 0x1111_1111);
            a.pushad();
        });
        Assert.Equal(ExceptionVector.StackSegmentFault, machine.Fault);
        Assert.Equal(TestMachine.StackTop, machine.State->Gpr.Rsp);
        Assert.Equal(0, machine.Memory.Bytes[(int)TestMachine.StackTop - 4]);
    }
}
