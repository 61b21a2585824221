using System.Runtime.InteropServices;
using Iced.Intel;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.X87;

public sealed unsafe class SaveAreaTests : IDisposable
{
    private const int Mxcsr = 24;
    private const int StateBits = 512;
    private const int CompactBits = 520;

    private readonly TestMachine _machine = new();

    public SaveAreaTests()
    {
        _machine.State->Gpr.Rcx = TestMachine.DataAddress;
        _machine.State->Gpr.Rax = 3;
    }

    public void Dispose() => _machine.Dispose();

    private Span<byte> Area => _machine.Memory.Bytes.Slice((int)TestMachine.DataAddress, 4096);

    private T Read<T>(int offset) where T : unmanaged => MemoryMarshal.Read<T>(Area[offset..]);

    private void Write<T>(int offset, T value) where T : unmanaged => MemoryMarshal.Write(Area[offset..], value);

    private ulong Low(int vector) => *(ulong*)((byte*)_machine.State + CpuState.VectorOffset + (vector * CpuState.VectorStride));

    private void SetLow(int vector, ulong value) =>
        *(ulong*)((byte*)_machine.State + CpuState.VectorOffset + (vector * CpuState.VectorStride)) = value;

    private ExceptionVector? Run(Action<Assembler> code) => _machine.Run(code).Fault;

    [Fact]
    public void Fxsave_writes_control_status_tags_registers_and_mask_and_leaves_the_software_part_alone()
    {
        Area.Fill(0xAA);
        SetLow(15, 0x1234);
        Assert.Null(Run(a =>
        {
            a.fldpi();
            a.fld1();
            a.fxsave64(__[rcx]);
        }));
        Assert.Equal(0x037F, Read<ushort>(0));
        Assert.Equal(6 << 11, Read<ushort>(2));
        Assert.Equal(0xC0, Read<ushort>(4));
        Assert.Equal(TestMachine.CodeAddress + 2, Read<ulong>(8));
        Assert.Equal(0x1F80u, Read<uint>(Mxcsr));
        Assert.Equal(0xFFFFu, Read<uint>(28));
        Assert.Equal((1UL << 63, 0x3FFFUL), (Read<ulong>(32), Read<ulong>(40)));
        Assert.Equal((0xC90F_DAA2_2168_C235, 0x4000UL), (Read<ulong>(48), Read<ulong>(56)));
        Assert.Equal(0x1234UL, Read<ulong>(160 + (15 * 16)));
        Assert.Equal(0xAA, Read<byte>(464));
        Assert.Equal(0xAA, Read<byte>(511));
    }

    [Fact]
    public void Fxrstor_brings_back_what_fxsave_wrote()
    {
        SetLow(3, 99);
        Assert.Null(Run(a =>
        {
            a.fldpi();
            a.fxsave64(__[rcx]);
            a.fninit();
            a.fldz();
            a.pxor(xmm3, xmm3);
            a.fxrstor64(__[rcx]);
            a.fstp(__tbyte_ptr[rcx + 1024]);
        }));
        Assert.Equal(0xC90F_DAA2_2168_C235, Read<ulong>(1024));
        Assert.Equal(99UL, Low(3));
        Assert.Equal(0xFF, _machine.State->FpuTagsEmpty);
    }

    [Fact]
    public void Reserved_MXCSR_bits_are_a_general_protection_fault_for_every_instruction_that_loads_it()
    {
        Write(Mxcsr, 0x1_0000u);
        Write(StateBits, 3UL);
        Assert.Equal(ExceptionVector.GeneralProtection, Run(a => a.fxrstor(__[rcx])));
        Assert.Equal(ExceptionVector.GeneralProtection, Run(a => a.xrstor(__[rcx])));
        Assert.Equal(ExceptionVector.GeneralProtection, Run(a => a.ldmxcsr(__[rcx + Mxcsr])));
        Assert.Equal(0x1F80u, _machine.State->Mxcsr);
    }

    [Fact]
    public void Areas_must_be_aligned_to_16_bytes_for_fxsave_and_to_64_for_xsave()
    {
        _machine.State->Gpr.Rcx += 8;
        Assert.Equal(ExceptionVector.GeneralProtection, Run(a => a.fxsave(__[rcx])));
        _machine.State->Gpr.Rcx += 8;
        Assert.Null(Run(a => a.fxsave(__[rcx])));
        Assert.Equal(ExceptionVector.GeneralProtection, Run(a => a.xsave(__[rcx])));
        Assert.Equal(ExceptionVector.GeneralProtection, Run(a => a.xrstor(__[rcx])));
    }

    [Fact]
    public void Xsave_needs_OSXSAVE_and_a_cleared_TS()
    {
        _machine.State->Cr0 |= (ulong)Cr0Bits.Ts;
        Assert.Equal(ExceptionVector.DeviceNotAvailable, Run(a => a.xsave(__[rcx])));
        _machine.State->Cr4 &= ~(ulong)Cr4Bits.Osxsave;
        Assert.Equal(ExceptionVector.InvalidOpcode, Run(a => a.xsave(__[rcx])));
    }

    [Fact]
    public void Xsave_writes_only_requested_components_and_keeps_the_bits_of_the_others()
    {
        Area[..1024].Fill(0xAA);
        Write(StateBits, 1UL);
        SetLow(0, 7);
        _machine.State->Gpr.Rax = 2;
        Assert.Null(Run(a =>
        {
            a.fld1();
            a.xsave64(__[rcx]);
        }));
        Assert.Equal(0xAAAA, Read<ushort>(0));
        Assert.Equal(0x1F80u, Read<uint>(Mxcsr));
        Assert.Equal(7UL, Read<ulong>(160));
        Assert.Equal(3UL, Read<ulong>(StateBits));
        Assert.Equal(0xAA, Read<byte>(CompactBits));
    }

    [Fact]
    public void Xsave_marks_components_in_their_initial_state_as_absent_and_xsaveopt_does_not_write_them()
    {
        Area[..512].Fill(0xAA);
        Assert.Null(Run(a => a.xsaveopt64(__[rcx])));
        Assert.Equal(0UL, Read<ulong>(StateBits));
        Assert.Equal(0xAAAA, Read<ushort>(0));
        Assert.Equal(0xAA, Read<byte>(160));
        Assert.Equal(0x1F80u, Read<uint>(Mxcsr));
        Assert.Null(Run(a => a.xsave64(__[rcx])));
        Assert.Equal(0UL, Read<ulong>(StateBits));
        Assert.Equal(0x037F, Read<ushort>(0));
    }

    [Fact]
    public void Xrstor_initialises_requested_components_that_are_absent()
    {
        Write(Mxcsr, 0x1FC0u);
        SetLow(5, 7);
        Assert.Null(Run(a =>
        {
            a.fld1();
            a.xrstor64(__[rcx]);
        }));
        Assert.Equal(0xFF, _machine.State->FpuTagsEmpty);
        Assert.Equal(0, _machine.State->FpuTop);
        Assert.Equal(0UL, Low(5));
        Assert.Equal(0x1FC0u, _machine.State->Mxcsr);
    }

    [Fact]
    public void Xrstor_refuses_unknown_components_and_compacted_areas()
    {
        Write(Mxcsr, 0x1F80u);
        Write(StateBits, 4UL);
        Assert.Equal(ExceptionVector.GeneralProtection, Run(a => a.xrstor(__[rcx])));
        Write(StateBits, 3UL);
        Write(CompactBits, 1UL << 63);
        Assert.Equal(ExceptionVector.GeneralProtection, Run(a => a.xrstor(__[rcx])));
    }

    [Fact]
    public void An_area_whose_second_page_cannot_be_written_is_not_written_at_all()
    {
        PageTables tables = new(_machine);
        tables.Map(0x20_0000_0000, TestMachine.DataAddress, PageTables.Writable);
        _machine.State->Gpr.Rcx = 0x20_0000_0000 + 0xF00;
        Assert.Equal(ExceptionVector.PageFault, Run(a => a.fxsave64(__[rcx])));
        Assert.Equal(0x20_0000_1000UL, _machine.State->FaultAddress & ~0xFFFUL);
        Assert.False(Area.ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void Only_eight_vector_registers_are_saved_outside_64_bit_mode()
    {
        using TestMachine machine = new(32);
        machine.State->Gpr.Rcx = TestMachine.DataAddress;
        Span<byte> area = machine.Memory.Bytes.Slice((int)TestMachine.DataAddress, 512);
        area.Fill(0xAA);
        Assert.Null(machine.Run(a => a.fxsave(__[ecx])).Fault);
        Assert.Equal(0, area[160 + (7 * 16) + 15]);
        Assert.Equal(0xAA, area[160 + (8 * 16)]);
    }
}
