using System.Runtime.InteropServices;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Software.Tests.Avx;

/// <summary>Masked moves and gathers, which access each element for itself.</summary>
public sealed unsafe class VectorElementTests : IDisposable
{
    private const ulong Window = 0x20_0000_0000;

    private readonly TestMachine _machine = new();
    private readonly PageTables _tables;

    public VectorElementTests()
    {
        _tables = new PageTables(_machine);
        _tables.Map(Window, TestMachine.DataAddress, PageTables.Writable);
        _machine.State->Xcr0 = 7;
        _machine.Processor.StateLoaded();
        for (int n = 0; n < 1024; n++)
        {
            MemoryMarshal.Write(_machine.Memory.Bytes[((int)TestMachine.DataAddress + (n * 4))..], n);
        }
    }

    public void Dispose() => _machine.Dispose();

    private Span<int> Dwords(int vector) =>
        new((byte*)_machine.State + CpuState.VectorOffset + (vector * CpuState.VectorStride), 8);

    [Fact]
    public void A_gather_that_faulted_goes_on_with_the_elements_that_are_left()
    {
        _machine.State->Gpr.Rcx = Window;
        new[] { 1, 2, 1024, 3, 4, 5, 6, 7 }.CopyTo(Dwords(1)); // element 2 lies in the next page
        new[] { -1, 0, -1, -1, -1, -1, -1, -1 }.CopyTo(Dwords(2));
        Dwords(0).Fill(99);
        Assert.Equal(ExceptionVector.PageFault, _machine.Run(a => a.vpgatherdd(ymm0, __ymmword_ptr[rcx + (ymm1 * 4)], ymm2)).Fault);
        Assert.Equal(Window + 0x1000, _machine.State->FaultAddress);
        Assert.Equal([1, 99, 99], Dwords(0)[..3].ToArray());
        Assert.Equal([0, 0, -1, -1], Dwords(2)[..4].ToArray());

        // An element that was loaded is not loaded again.
        MemoryMarshal.Write(_machine.Memory.Bytes[((int)TestMachine.DataAddress + 4)..], 1234);
        _tables.Map(Window + 0x1000, TestMachine.DataAddress, PageTables.Writable);
        Assert.Null(_machine.Run().Fault);
        Assert.Equal([1, 99, 0, 3, 4, 5, 6, 7], Dwords(0).ToArray());
        Assert.Equal(new int[8], Dwords(2).ToArray());
    }

    [Fact]
    public void A_gather_without_a_selected_element_accesses_nothing()
    {
        _machine.State->Gpr.Rcx = 0x30_0000_0000;
        Assert.Null(_machine.Run(a => a.vpgatherqq(ymm0, __ymmword_ptr[rcx + (ymm1 * 8)], ymm2)).Fault);
    }

    [Fact]
    public void A_gather_from_a_device_asks_it_once_for_each_element()
    {
        _tables.Map(Window + 0x2000, 0x1000_0000, PageTables.Writable);
        _machine.State->Gpr.Rcx = Window + 0x2000;
        new[] { 0, 1, 2, 3 }.CopyTo(Dwords(1));
        new[] { -1, -1, 0, -1 }.CopyTo(Dwords(2));
        Assert.Null(_machine.Run(a => a.vpgatherdd(xmm0, __xmmword_ptr[rcx + (xmm1 * 4)], xmm2)).Fault);
        Assert.Equal([0x1000_0000UL, 0x1000_0004, 0x1000_000C], _machine.DeviceAccesses.Select(access => access.Physical));
    }

    [Fact]
    public void Masked_elements_beyond_the_end_of_a_page_do_not_fault()
    {
        _machine.State->Gpr.Rcx = Window + 0xFF0;
        new[] { -1, -1, -1, -1, 0, 0, 0, 0 }.CopyTo(Dwords(2));
        Dwords(3).Fill(7);
        Assert.Null(_machine.Run(a =>
        {
            a.vpmaskmovd(ymm0, ymm2, __ymmword_ptr[rcx]);
            a.vpmaskmovd(__ymmword_ptr[rcx], ymm2, ymm3);
            a.vpmaskmovd(ymm1, ymm2, __ymmword_ptr[rcx]);
        }).Fault);
        Assert.Equal([1020, 1021, 1022, 1023, 0, 0, 0, 0], Dwords(0).ToArray());
        Assert.Equal([7, 7, 7, 7, 0, 0, 0, 0], Dwords(1).ToArray());
    }

    [Fact]
    public void A_masked_store_that_faults_has_written_nothing()
    {
        _machine.State->Gpr.Rcx = Window + 0xFF0;
        Dwords(2).Fill(-1);
        Assert.Equal(ExceptionVector.PageFault, _machine.Run(a => a.vmaskmovps(__ymmword_ptr[rcx], ymm2, ymm3)).Fault);
        Assert.Equal(1020, MemoryMarshal.Read<int>(_machine.Memory.Bytes[((int)TestMachine.DataAddress + 0xFF0)..]));
    }

    [Fact]
    public void A_store_without_alignment_check_that_faults_on_its_second_page_reports_where_that_begins()
    {
        _machine.State->SystemFlags |= (ulong)RflagsBits.Ac;
        _machine.Processor.StateLoaded();
        _machine.State->Gpr.Rcx = Window + 0xFFC;
        Assert.Equal(ExceptionVector.PageFault, _machine.Run(a => a.vcvtps2ph(__qword_ptr[rcx], xmm3, 0)).Fault);
        Assert.Equal(Window + 0x1000, _machine.State->FaultAddress);
        Assert.Equal(1023, MemoryMarshal.Read<int>(_machine.Memory.Bytes[((int)TestMachine.DataAddress + 0xFFC)..]));
    }

    [Fact]
    public void Only_aligned_moves_ask_for_alignment_and_of_256_bits_for_32_bytes()
    {
        _machine.State->Gpr.Rcx = Window + 16;
        Assert.Null(_machine.Run(a =>
        {
            a.vaddps(ymm0, ymm1, __ymmword_ptr[rcx + 1]);
            a.vmovups(ymm0, __ymmword_ptr[rcx + 1]);
            a.vmovaps(xmm0, __xmmword_ptr[rcx]);
        }).Fault);
        Assert.Equal(ExceptionVector.GeneralProtection, _machine.Run(a => a.vmovaps(ymm0, __ymmword_ptr[rcx])).Fault);
        Assert.Equal(ExceptionVector.GeneralProtection, _machine.Run(a => a.vmovntdq(__ymmword_ptr[rcx], ymm0)).Fault);
        Assert.Equal(ExceptionVector.GeneralProtection, _machine.Run(a => a.vmovntdqa(xmm0, __xmmword_ptr[rcx + 8])).Fault);
    }
}
