using Iced.Intel;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.X87;

public sealed unsafe class AvailabilityTests
{
    [Theory]
    [InlineData(Cr0Bits.Ts)]
    [InlineData(Cr0Bits.Em)]
    public void X87_instructions_raise_NM_when_TS_or_EM_is_set(Cr0Bits bit)
    {
        Assert.Equal(ExceptionVector.DeviceNotAvailable, Run(a => a.fld1(), bit));
        Assert.Equal(ExceptionVector.DeviceNotAvailable, Run(a => a.fninit(), bit));
        Assert.Equal(ExceptionVector.DeviceNotAvailable, Run(a => a.fxsave(__[rcx]), bit));
    }

    [Fact]
    public void Wait_raises_NM_only_when_both_TS_and_MP_are_set()
    {
        Assert.Equal(ExceptionVector.DeviceNotAvailable, Run(a => a.wait(), Cr0Bits.Ts | Cr0Bits.Mp));
        Assert.Null(Run(a => a.wait(), Cr0Bits.Ts, clear: Cr0Bits.Mp));
        Assert.Null(Run(a => a.wait(), Cr0Bits.Em));
    }

    [Fact]
    public void Sse_and_MMX_instructions_raise_UD_when_EM_is_set_and_NM_when_TS_is_set()
    {
        Assert.Equal(ExceptionVector.InvalidOpcode, Run(a => a.addps(xmm0, xmm1), Cr0Bits.Em));
        Assert.Equal(ExceptionVector.InvalidOpcode, Run(a => a.paddb(mm0, mm1), Cr0Bits.Em));
        Assert.Equal(ExceptionVector.DeviceNotAvailable, Run(a => a.addps(xmm0, xmm1), Cr0Bits.Ts));
        Assert.Equal(ExceptionVector.DeviceNotAvailable, Run(a => a.paddb(mm0, mm1), Cr0Bits.Ts));
        Assert.Equal(ExceptionVector.DeviceNotAvailable, Run(a => a.ldmxcsr(__[rcx]), Cr0Bits.Ts));
    }

    [Fact]
    public void Sse_instructions_raise_UD_without_OSFXSR_and_MMX_instructions_do_not()
    {
        Assert.Equal(ExceptionVector.InvalidOpcode, Run(a => a.addps(xmm0, xmm1), noSse: true));
        Assert.Equal(ExceptionVector.InvalidOpcode, Run(a => a.stmxcsr(__[rcx]), noSse: true));
        Assert.Null(Run(a => a.paddb(mm0, mm1), noSse: true));
    }

    [Fact]
    public void Instructions_that_only_came_with_SSE_are_always_there()
    {
        Assert.Null(Run(a => a.sfence(), Cr0Bits.Ts | Cr0Bits.Em, noSse: true));
    }

    [Fact]
    public void An_MMX_instruction_gets_the_pending_x87_exception()
    {
        using TestMachine machine = new();
        machine.State->FpuControl = 0x37B;
        machine.Run(a =>
        {
            a.fld1();
            a.fldz();
            a.fdivp(st1, st0);
            a.paddb(mm0, mm1);
        });
        Assert.Equal(ExceptionVector.X87FloatingPoint, machine.Fault);
        Assert.Equal(0x84, machine.State->FpuStatus & 0xFF);
    }

    private static ExceptionVector? Run(Action<Assembler> code, Cr0Bits set = 0, Cr0Bits clear = 0, bool noSse = false)
    {
        using TestMachine machine = new();
        machine.State->Gpr.Rcx = TestMachine.DataAddress;
        machine.State->Cr0 |= (ulong)set;
        machine.State->Cr0 &= ~(ulong)clear;
        machine.State->Cr4 &= noSse ? ~(ulong)Cr4Bits.Osfxsr : ulong.MaxValue;
        machine.Processor.StateLoaded();
        return machine.Run(code).Fault;
    }
}
