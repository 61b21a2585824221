using System.Runtime.InteropServices;
using Iced.Intel;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.X87;

public sealed unsafe class EnvironmentTests
{
    // FLD DWORD PTR [ECX] of a signalling NaN: FOP is D9 01 without the five bits that all escapes share.
    private const ushort LoadOpcode = 0x101;

    [Fact]
    public void The_protected_32_bit_image_has_pointers_and_opcode_of_the_unmasked_exception()
    {
        using TestMachine machine = WithSignalingNaN(32);
        machine.Run(a =>
        {
            a.fldcw(__word_ptr[ecx + 8]);
            a.fld(__dword_ptr[ecx]);
            a.fnstenv(__[ecx + 16]);
        });
        ReadOnlySpan<uint> image = Words<uint>(machine, 16, 7);
        Assert.Equal([0xFFFF_037E, 0xFFFF_8081, 0xFFFF_FFFF, (uint)TestMachine.CodeAddress + 3], image[..4]);
        Assert.Equal([(uint)LoadOpcode << 16, (uint)TestMachine.DataAddress, 0xFFFF_0000], image[4..]);
        Assert.Equal(0x37F, machine.State->FpuControl);
        Assert.Equal(1, machine.State->FpuStatus);
    }

    [Fact]
    public void The_real_mode_16_bit_image_has_the_opcode_beside_the_upper_pointer_bits()
    {
        using TestMachine machine = WithSignalingNaN(16);
        machine.State->Gpr.Rcx = 0;
        machine.Run(a =>
        {
            a.mov(bx, 0);
            a.fldcw(__word_ptr[bx + 8]);
            a.fld(__dword_ptr[bx]);
            a.fnstenv(__[bx + 16]);
        });
        Assert.Equal([0x037E, 0x8081, 0xFFFF, 6, 0x107, 0, 0], Words<ushort>(machine, 16, 7).ToArray());
    }

    [Fact]
    public void Fnsave_initialises_and_frstor_brings_everything_back()
    {
        using TestMachine machine = new(32);
        machine.State->Gpr.Rcx = TestMachine.DataAddress;
        machine.Run(a =>
        {
            a.fldpi();
            a.fld1();
            a.fnsave(__[ecx]);
        });
        Assert.Equal((0xFF, 0, 0x37F), (machine.State->FpuTagsEmpty, machine.State->FpuTop, machine.State->FpuControl));
        Assert.Equal(0xFFFF_0FFFu, Words<uint>(machine, 8, 1)[0]);
        Assert.Equal(1UL << 63, Words<ulong>(machine, 28, 1)[0]);
        machine.Run(a =>
        {
            a.frstor(__[ecx]);
            a.faddp(st1, st0);
            a.fistp(__dword_ptr[ecx]);
        });
        Assert.Equal(4u, Words<uint>(machine, 0, 1)[0]);
    }

    [Fact]
    public void An_unmasked_exception_is_delivered_at_the_next_waiting_instruction()
    {
        using TestMachine machine = WithSignalingNaN(32);
        machine.Run(a =>
        {
            a.fldcw(__word_ptr[ecx + 8]);
            a.fld(__dword_ptr[ecx]);
            a.fnstsw(ax);
            a.mov(edx, 1);
            a.fld1();
            a.mov(edx, 2);
        });
        Assert.Equal(ExceptionVector.X87FloatingPoint, machine.Fault);
        Assert.Equal((1UL, 0x8081UL), (machine.State->Gpr.Rdx, machine.State->Gpr.Rax & 0xFFFF));
        Assert.Equal(0xFF, machine.State->FpuTagsEmpty);
    }

    [Fact]
    public void Without_NE_waiting_instructions_go_on()
    {
        using TestMachine machine = WithSignalingNaN(32);
        machine.State->Cr0 &= ~(ulong)Cr0Bits.Ne;
        machine.Run(a =>
        {
            a.fldcw(__word_ptr[ecx + 8]);
            a.fld(__dword_ptr[ecx]);
            a.fld1();
        });
        Assert.Null(machine.Fault);
        Assert.Equal(7, machine.State->FpuTop);
    }

    [Fact]
    public void Unmasking_a_flagged_exception_makes_it_pending()
    {
        using TestMachine machine = WithSignalingNaN(32);
        machine.Run(a =>
        {
            a.fld(__dword_ptr[ecx]);
            a.fldcw(__word_ptr[ecx + 8]);
            a.wait();
        });
        Assert.Equal(ExceptionVector.X87FloatingPoint, machine.Fault);
    }

    [Fact]
    public void A_store_that_faults_changes_nothing()
    {
        using TestMachine machine = new();
        machine.State->Gpr.Rcx = 0x20_0000_0000;
        machine.Run(a =>
        {
            a.fldpi();
            a.fstp(__dword_ptr[rcx]);
        });
        Assert.Equal(ExceptionVector.PageFault, machine.Fault);
        Assert.Equal((7, 0, TestMachine.CodeAddress), (machine.State->FpuTop, machine.State->FpuStatus, machine.State->FpuLastInstruction));
    }

    [Fact]
    public void Clts_makes_the_x87_available_to_the_next_instruction()
    {
        using TestMachine machine = new();
        machine.State->Cr0 |= (ulong)Cr0Bits.Ts;
        machine.Processor.StateLoaded();
        machine.Run(a =>
        {
            a.clts();
            a.fld1();
        });
        Assert.Null(machine.Fault);
        Assert.Equal(7, machine.State->FpuTop);
    }

    private static TestMachine WithSignalingNaN(int bitness)
    {
        TestMachine machine = new(bitness);
        machine.State->Gpr.Rcx = TestMachine.DataAddress;
        Words<uint>(machine, 0, 1)[0] = 0x7F80_0001;
        Words<ushort>(machine, 8, 1)[0] = 0x37E;
        return machine;
    }

    private static Span<T> Words<T>(TestMachine machine, int offset, int count) where T : unmanaged =>
        MemoryMarshal.Cast<byte, T>(machine.Memory.Bytes[((int)TestMachine.DataAddress + offset)..])[..count];
}
