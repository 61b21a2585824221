using Iced.Intel;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Software.Tests.Integer;

public sealed unsafe class StringInstructionTests
{
    private const int Data = (int)TestMachine.DataAddress;

    private static void Fill(TestMachine machine, int length)
    {
        for (int n = 0; n < length; n++)
        {
            machine.Memory.Bytes[Data + n] = (byte)(n * 7 + 1);
        }
    }

    [Theory]
    [InlineData(64)]
    [InlineData(32)]
    public void A_repeated_move_copies_many_pages(int bitness)
    {
        using TestMachine machine = new(bitness);
        Fill(machine, 0x5000);
        machine.Load(a => a.rep.movsd());
        machine.State->Gpr.Rsi = Data + 3;
        machine.State->Gpr.Rdi = Data + 0x8005;
        machine.State->Gpr.Rcx = 0x4000 / 4;
        machine.Run();
        Assert.Null(machine.Fault);
        Assert.True(machine.Memory.Bytes.Slice(Data + 3, 0x4000).SequenceEqual(machine.Memory.Bytes.Slice(Data + 0x8005, 0x4000)));
        Assert.Equal(0, machine.Memory.Bytes[Data + 0x8005 + 0x4000]);
        Assert.Equal(0UL, machine.State->Gpr.Rcx);
        Assert.Equal((ulong)Data + 0x4003, machine.State->Gpr.Rsi);
    }

    [Fact]
    public void An_overlapping_move_spreads_its_pattern()
    {
        using TestMachine machine = new();
        machine.Memory.Bytes[Data] = 0x5A;
        machine.Load(a => a.rep.movsb());
        machine.State->Gpr.Rsi = Data;
        machine.State->Gpr.Rdi = Data + 1;
        machine.State->Gpr.Rcx = 0x2000;
        machine.Run();
        Assert.True(machine.Memory.Bytes.Slice(Data, 0x2001).IndexOfAnyExcept((byte)0x5A) < 0);
    }

    [Fact]
    public void A_backward_move_goes_down()
    {
        using TestMachine machine = new();
        Fill(machine, 0x2000);
        machine.Load(a => a.rep.movsq());
        machine.State->SystemFlags |= (ulong)RflagsBits.Df;
        machine.State->Gpr.Rsi = Data + 0x1FF8;
        machine.State->Gpr.Rdi = Data + 0x5FF8;
        machine.State->Gpr.Rcx = 0x2000 / 8;
        machine.Run();
        Assert.True(machine.Memory.Bytes.Slice(Data, 0x2000).SequenceEqual(machine.Memory.Bytes.Slice(Data + 0x4000, 0x2000)));
        Assert.Equal((ulong)Data - 8, machine.State->Gpr.Rsi);
    }

    [Fact]
    public void A_fault_in_the_middle_leaves_the_progress_in_the_registers()
    {
        using TestMachine machine = new();
        PageTables tables = new(machine);
        tables.Map(0x4000_0000, 0x5000, PageTables.Writable);
        machine.Load(a => a.rep.stosb());
        machine.State->Gpr.Rax = 0x77;
        machine.State->Gpr.Rdi = 0x4000_0F00;
        machine.State->Gpr.Rcx = 0x300;
        machine.Run();
        Assert.Equal(ExceptionVector.PageFault, machine.Fault);
        Assert.Equal(0x4000_1000UL, machine.State->Gpr.Rdi);
        Assert.Equal(0x200UL, machine.State->Gpr.Rcx);
        Assert.Equal(TestMachine.CodeAddress, machine.State->Rip);
        Assert.Equal(0x77, machine.Memory.Bytes[0x5FFF]);

        tables.Map(0x4000_1000, 0x6000, PageTables.Writable);
        machine.Run();
        Assert.Null(machine.Fault);
        Assert.Equal(0UL, machine.State->Gpr.Rcx);
        Assert.Equal(0x77, machine.Memory.Bytes[0x61FF]);
        Assert.Equal(0, machine.Memory.Bytes[0x6200]);
    }

    [Fact]
    public void Filling_a_page_of_decoded_code_drops_the_code()
    {
        using TestMachine machine = new();
        machine.Memory.Write(0x5000, [0xB0, 1, 0xC3]);
        machine.Run(a =>
        {
            a.mov(rbx, 0x5000);
            a.call(rbx);
            a.mov(r8, rax);
            a.mov(edi, 0x5000);
            a.mov(eax, 0xC3C3C3C3);
            a.mov(ecx, 1024);
            a.rep.stosd();
            a.mov(eax, 9);
            a.call(rbx);
        });
        Assert.Null(machine.Fault);
        Assert.Equal(1UL, machine.State->Gpr.R8);
        Assert.Equal(9UL, machine.State->Gpr.Rax);
    }

    [Fact]
    public void A_repeated_comparison_stops_behind_the_difference()
    {
        using TestMachine machine = new();
        Fill(machine, 100);
        Fill(machine, 100);
        machine.Memory.Bytes.Slice(Data, 100).CopyTo(machine.Memory.Bytes[(Data + 0x1000)..]);
        machine.Memory.Bytes[Data + 0x1000 + 40] ^= 0xFF;
        machine.Load(a => a.repe.cmpsb());
        machine.State->Gpr.Rsi = Data;
        machine.State->Gpr.Rdi = Data + 0x1000;
        machine.State->Gpr.Rcx = 100;
        machine.Run();
        Assert.Equal(59UL, machine.State->Gpr.Rcx);
        Assert.False(ArithmeticFlags.ZeroFlag(machine.State));
    }

    [Theory]
    [InlineData(0x300)]
    [InlineData(0x3000)]
    public void A_repeated_comparison_that_faults_in_its_middle_leaves_the_flags_as_they_were(int elements)
    {
        using TestMachine machine = new();
        PageTables tables = new(machine);
        tables.Map(0x4000_0000, Data, PageTables.Writable);
        tables.Map(0x4000_1000, Data, PageTables.Writable);
        tables.Map(0x4000_2000, Data, PageTables.Writable);
        machine.Load(a => a.repe.scasb());
        ArithmeticFlags.Write(machine.State, ArithmeticFlags.Carry | ArithmeticFlags.Sign | ArithmeticFlags.Overflow);
        machine.State->Gpr.Rdi = 0x4000_3000 - (ulong)elements;
        machine.State->Gpr.Rcx = (ulong)elements + 1;
        machine.Run();
        Assert.Equal(ExceptionVector.PageFault, machine.Fault);
        Assert.Equal(1UL, machine.State->Gpr.Rcx);
        Assert.Equal(ArithmeticFlags.Carry | ArithmeticFlags.Sign | ArithmeticFlags.Overflow, ArithmeticFlags.Read(machine.State));
    }

    [Fact]
    public void A_repeated_store_to_a_device_writes_every_element_by_itself()
    {
        using TestMachine machine = new();
        machine.Load(a => a.rep.stosw());
        machine.State->Gpr.Rax = 0x1234;
        machine.State->Gpr.Rdi = 0x3000_0000;
        machine.State->Gpr.Rcx = 3;
        machine.Run();
        Assert.Equal(
            [(0x3000_0000UL, 2), (0x3000_0002UL, 2), (0x3000_0004UL, 2)],
            machine.DeviceAccesses.Select(access => (access.Physical, access.Width)));
    }
}
