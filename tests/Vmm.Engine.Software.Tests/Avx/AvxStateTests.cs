using System.Runtime.InteropServices;
using Iced.Intel;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Avx;

/// <summary>Upper halves of vector registers: who writes, keeps, saves and restores them.</summary>
public sealed unsafe class AvxStateTests : IDisposable
{
    private const int StateBits = 512;
    private const int CompactBits = 520;
    private const int UpperHalves = 576;
    private const ulong AllComponents = 7;

    private readonly TestMachine _machine = new();

    public AvxStateTests()
    {
        _machine.State->Gpr.Rcx = TestMachine.DataAddress;
        _machine.State->Gpr.Rax = AllComponents;
        _machine.State->Xcr0 = AllComponents;
        _machine.Processor.StateLoaded();
    }

    public void Dispose() => _machine.Dispose();

    private Span<byte> Area => _machine.Memory.Bytes.Slice((int)TestMachine.DataAddress, 4096);

    private T Read<T>(int offset) where T : unmanaged => MemoryMarshal.Read<T>(Area[offset..]);

    private void Write<T>(int offset, T value) where T : unmanaged => MemoryMarshal.Write(Area[offset..], value);

    private ref ulong Qword(int vector, int index) =>
        ref ((ulong*)((byte*)_machine.State + CpuState.VectorOffset + (vector * CpuState.VectorStride)))[index];

    private ExceptionVector? Run(Action<Assembler> code) => _machine.Run(code).Fault;

    [Fact]
    public void Vex_forms_of_128_bits_clear_the_upper_half_and_legacy_forms_keep_it()
    {
        Qword(1, 3) = 5;
        Qword(2, 3) = 6;
        Assert.Null(Run(a =>
        {
            a.vpaddd(xmm1, xmm1, xmm3);
            a.paddd(xmm2, xmm3);
            a.movss(xmm2, __dword_ptr[rcx]);
        }));
        Assert.Equal((0UL, 6UL), (Qword(1, 3), Qword(2, 3)));
    }

    [Fact]
    public void Xsave_writes_upper_halves_behind_the_header()
    {
        Qword(0, 2) = 10;
        Qword(15, 3) = 25;
        Assert.Null(Run(a => a.xsave64(__[rcx])));
        Assert.Equal(4UL, Read<ulong>(StateBits));
        Assert.Equal((10UL, 25UL), (Read<ulong>(UpperHalves), Read<ulong>(UpperHalves + 248)));
    }

    [Fact]
    public void Xsave_of_other_components_touches_nothing_behind_the_header()
    {
        Area.Fill(0xAA);
        Qword(0, 2) = 10;
        _machine.State->Gpr.Rax = 3;
        Assert.Null(Run(a => a.xsave64(__[rcx])));
        Assert.False(Area[UpperHalves..].ContainsAnyExcept((byte)0xAA));
        Assert.Equal(0xAAAA_AAAA_AAAA_AAA8, Read<ulong>(StateBits));
    }

    [Fact]
    public void Xsaveopt_leaves_out_upper_halves_in_their_initial_state()
    {
        Area[UpperHalves..].Fill(0xAA);
        Assert.Null(Run(a => a.xsaveopt64(__[rcx])));
        Assert.Equal(0UL, Read<ulong>(StateBits));
        Assert.Equal(0xAA, Read<byte>(UpperHalves));
        Qword(9, 2) = 1;
        Assert.Null(Run(a => a.xsaveopt64(__[rcx])));
        Assert.Equal(4UL, Read<ulong>(StateBits));
        Assert.Equal(1UL, Read<ulong>(UpperHalves + (9 * 16)));
    }

    [Fact]
    public void Xrstor_loads_upper_halves_or_clears_them_and_keeps_lower_halves_of_another_component()
    {
        Write(24, 0x1F80u);
        Write(StateBits, 4UL);
        Write(UpperHalves + 16, 77UL);
        Qword(1, 0) = 8;
        _machine.State->Gpr.Rax = 4;
        Assert.Null(Run(a => a.xrstor64(__[rcx])));
        Assert.Equal((8UL, 77UL), (Qword(1, 0), Qword(1, 2)));
        Write(StateBits, 0UL);
        Assert.Null(Run(a => a.xrstor64(__[rcx])));
        Assert.Equal((8UL, 0UL), (Qword(1, 0), Qword(1, 2)));
    }

    [Fact]
    public void Xrstor_refuses_compacted_areas_which_are_not_announced()
    {
        Write(24, 0x1F80u);
        Write(StateBits, 4UL);
        Write(CompactBits, 1UL << 63 | 4);
        Assert.Equal(ExceptionVector.GeneralProtection, Run(a => a.xrstor(__[rcx])));
        Assert.Equal(ExceptionVector.InvalidOpcode, Run(a => a.xsavec(__[rcx])));
    }

    [Fact]
    public void Xrstor_refuses_components_that_xcr0_does_not_enable()
    {
        _machine.State->Xcr0 = 3;
        Write(24, 0x1F80u);
        Write(StateBits, 4UL);
        Assert.Equal(ExceptionVector.GeneralProtection, Run(a => a.xrstor(__[rcx])));
    }

    [Theory]
    [InlineData(7, true)]
    [InlineData(3, true)]
    [InlineData(1, true)]
    [InlineData(0, false)]
    [InlineData(6, false)]
    [InlineData(5, false)]
    [InlineData(15, false)]
    public void Xsetbv_takes_avx_with_sse_and_x87_always(ulong value, bool legal)
    {
        _machine.State->Xcr0 = 1;
        _machine.Processor.StateLoaded();
        _machine.State->Gpr.Rcx = 0;
        _machine.State->Gpr.Rax = value;
        _machine.State->Gpr.Rdx = 0;
        Assert.Equal(legal ? null : ExceptionVector.GeneralProtection, Run(a => a.xsetbv()));
        Assert.Equal(legal ? value : 1, _machine.State->Xcr0);
    }

    [Fact]
    public void An_avx_instruction_exists_right_after_the_xsetbv_that_enables_it()
    {
        _machine.State->Xcr0 = 1;
        _machine.Processor.StateLoaded();
        _machine.State->Gpr.Rcx = 0;
        _machine.State->Gpr.Rdx = 0;
        Assert.Null(Run(a =>
        {
            a.xsetbv();
            a.vpcmpeqd(ymm4, ymm4, ymm4);
        }));
        Assert.Equal(ulong.MaxValue, Qword(4, 3));
    }

    [Fact]
    public void Cpuid_leaf_13_tells_components_sizes_and_offsets()
    {
        Assert.Equal((7UL, 832UL, 832UL), Leaf13(0));
        Assert.Equal(1UL, Leaf13(1).Item1); // XSAVEOPT, and neither XSAVEC nor XSAVES
        Assert.Equal((256UL, 576UL, 0UL), Leaf13(2));
        _machine.State->Xcr0 = 3;
        Assert.Equal((7UL, 576UL, 832UL), Leaf13(0));

        (ulong, ulong, ulong) Leaf13(ulong subleaf)
        {
            _machine.State->Gpr.Rax = 0xD;
            _machine.State->Gpr.Rcx = subleaf;
            Assert.Null(Run(a => a.cpuid()));
            return (_machine.State->Gpr.Rax, _machine.State->Gpr.Rbx, _machine.State->Gpr.Rcx);
        }
    }

    [Fact]
    public void Vzeroall_and_vzeroupper_reach_eight_registers_outside_64_bit_mode()
    {
        using TestMachine machine = new(32);
        machine.State->Xcr0 = AllComponents;
        machine.Processor.StateLoaded();
        byte* vectors = (byte*)machine.State + CpuState.VectorOffset;
        for (int n = 0; n < 16; n++)
        {
            *(ulong*)(vectors + (n * CpuState.VectorStride)) = 1;
        }

        Assert.Null(machine.Run(a => a.vzeroall()).Fault);
        Assert.Equal((0UL, 1UL), (*(ulong*)(vectors + (7 * CpuState.VectorStride)), *(ulong*)(vectors + (8 * CpuState.VectorStride))));
    }
}
