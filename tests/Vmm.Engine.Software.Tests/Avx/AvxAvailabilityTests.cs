using Iced.Intel;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Avx;

/// <summary>When VEX-encoded instructions exist, and which encodings of them do.</summary>
public sealed unsafe class AvxAvailabilityTests
{
    private const byte OperandSize = 0x66, Repeat = 0xF3, RepeatNotEqual = 0xF2, Lock = 0xF0, Rex = 0x40;

    // VADDPS xmm0, xmm1, xmm2.
    private static readonly byte[] AddSingles = [0xC5, 0xF0, 0x58, 0xC2];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public void Avx_instructions_raise_UD_while_xcr0_does_not_enable_sse_and_avx_state(ulong xcr0)
    {
        Assert.Equal(ExceptionVector.InvalidOpcode, Run(AddSingles, xcr0: xcr0));
        Assert.Equal(ExceptionVector.InvalidOpcode, Run(a => a.vzeroupper(), xcr0: xcr0));
        Assert.Equal(ExceptionVector.InvalidOpcode, Run(a => a.vldmxcsr(__[rcx]), xcr0: xcr0));
        Assert.Null(Run(AddSingles, xcr0: 7));
    }

    [Fact]
    public void Avx_instructions_raise_UD_without_OSXSAVE_and_before_NM()
    {
        Assert.Equal(ExceptionVector.InvalidOpcode, Run(AddSingles, clear: Cr4Bits.Osxsave));
        Assert.Equal(ExceptionVector.InvalidOpcode, Run(AddSingles, set: Cr0Bits.Ts, clear: Cr4Bits.Osxsave));
        Assert.Equal(ExceptionVector.DeviceNotAvailable, Run(AddSingles, set: Cr0Bits.Ts));
    }

    [Fact]
    public void Avx_instructions_ask_for_neither_EM_nor_OSFXSR()
    {
        Assert.Null(Run(AddSingles, set: Cr0Bits.Em));
        Assert.Null(Run(AddSingles, clear: Cr4Bits.Osfxsr));
    }

    [Fact]
    public void Bit_manipulation_needs_no_state_component_and_sha_is_an_sse_instruction()
    {
        Assert.Null(Run(a => a.andn(eax, ebx, ecx), set: Cr0Bits.Ts, clear: Cr4Bits.Osxsave, xcr0: 1));
        Assert.Null(Run(a => a.sha1msg1(xmm0, xmm1), clear: Cr4Bits.Osxsave, xcr0: 1));
        Assert.Equal(ExceptionVector.InvalidOpcode, Run(a => a.sha1msg1(xmm0, xmm1), clear: Cr4Bits.Osfxsr));
    }

    [Fact]
    public void There_is_no_VEX_prefix_in_real_address_mode_nor_in_virtual_8086_mode()
    {
        byte[] andn = [0xC4, 0xE2, 0x60, 0xF2, 0xC1];
        Assert.Equal(ExceptionVector.InvalidOpcode, Run(AddSingles, bitness: 16));
        Assert.Equal(ExceptionVector.InvalidOpcode, Run(andn, bitness: 16));
        Assert.Null(Run(andn, bitness: 32));
        using TestMachine machine = Machine(16, 7);
        machine.State->Cr0 |= (ulong)Cr0Bits.Pe;
        machine.State->SystemFlags |= (ulong)Vmm.Vmx.RflagsBits.Vm;
        machine.State->Cpl = 3;
        machine.Processor.StateLoaded();
        machine.Load(AddSingles);
        Assert.Equal(ExceptionVector.InvalidOpcode, machine.Run().Fault);
    }

    [Theory]
    [InlineData(OperandSize)]
    [InlineData(Repeat)]
    [InlineData(RepeatNotEqual)]
    [InlineData(Lock)]
    [InlineData(Rex)]
    public void A_prefix_of_legacy_encodings_before_VEX_raises_UD(byte prefix) =>
        Assert.Equal(ExceptionVector.InvalidOpcode, Run([prefix, .. AddSingles]));

    [Theory]
    [InlineData("C5F051C2")] // VSQRTPS with vvvv in use
    [InlineData("C5FC5AC2", true)] // VCVTPS2PD ymm, xmm is there
    [InlineData("C5F412C2")] // VMOVHLPS with L = 1
    [InlineData("C5F577")] // VZEROALL with pp = 66
    [InlineData("C4E2F118C2")] // VBROADCASTSS with W = 1
    [InlineData("C4E2719004C8")] // VPGATHERDD xmm0, [rax+xmm1*8], xmm1: index and mask are one register
    public void Reserved_fields_of_VEX_raise_UD(string code, bool exists = false) =>
        Assert.Equal(exists ? null : ExceptionVector.InvalidOpcode, Run(Convert.FromHexString(code)));

    private static ExceptionVector? Run(
        Action<Assembler> code, Cr0Bits set = 0, Cr4Bits clear = 0, ulong xcr0 = 7, int bitness = 64)
    {
        Assembler assembler = new(bitness);
        code(assembler);
        using MemoryStream stream = new();
        assembler.Assemble(new StreamCodeWriter(stream), TestMachine.CodeAddress);
        return Run(stream.ToArray(), set, clear, xcr0, bitness);
    }

    private static ExceptionVector? Run(byte[] code, Cr0Bits set = 0, Cr4Bits clear = 0, ulong xcr0 = 7, int bitness = 64)
    {
        using TestMachine machine = Machine(bitness, xcr0);
        machine.State->Cr0 |= (ulong)set;
        machine.State->Cr4 &= ~(ulong)clear;
        machine.Processor.StateLoaded();
        const byte Hlt = 0xF4;
        machine.Load([.. code, Hlt]);
        return machine.Run().Fault;
    }

    private static TestMachine Machine(int bitness, ulong xcr0)
    {
        TestMachine machine = new(bitness);
        machine.State->Gpr.Rcx = TestMachine.DataAddress;
        machine.Memory.Write(TestMachine.DataAddress, [0x80, 0x1F, 0, 0]);
        machine.State->Xcr0 = xcr0;
        machine.Processor.StateLoaded();
        return machine;
    }
}
