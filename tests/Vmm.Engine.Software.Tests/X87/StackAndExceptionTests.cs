using System.Runtime.InteropServices;
using Iced.Intel;
using Vmm.Engine.Software.Instructions.X87;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.X87;

/// <summary>What does not need a host processor to be known.</summary>
public sealed unsafe class StackAndExceptionTests : IDisposable
{
    private const int Invalid = 1;
    private const int Overflow = 8;
    private const int Underflow = 16;
    private const int Precision = 32;

    private readonly TestMachine _machine = new();

    public StackAndExceptionTests() => _machine.State->Gpr.Rcx = TestMachine.DataAddress;

    public void Dispose() => _machine.Dispose();

    private CpuState* State => _machine.State;

    private Span<T> Data<T>() where T : unmanaged => MemoryMarshal.Cast<byte, T>(_machine.Memory.Bytes[(int)TestMachine.DataAddress..]);

    private void Run(Action<Assembler> code) => Assert.Null(_machine.Run(code).Fault);

    [Fact]
    public void A_ninth_push_overflows_the_stack_with_C1_set_and_pushes_the_indefinite()
    {
        Run(a =>
        {
            for (int n = 0; n < 9; n++)
            {
                a.fld1();
            }
        });
        Assert.Equal(X87Control.StackFault | X87Control.C1 | Invalid, State->FpuStatus);
        Assert.Equal(7, State->FpuTop);
        Assert.Equal(ExtendedReal.Indefinite, X87Registers.Read(State, 0));
    }

    [Fact]
    public void An_empty_source_underflows_the_stack_with_C1_clear()
    {
        Run(a =>
        {
            a.fld1();
            a.fadd(st0, st3);
        });
        Assert.Equal(X87Control.StackFault | Invalid, State->FpuStatus);
        Assert.Equal(ExtendedReal.Indefinite, X87Registers.Read(State, 0));
    }

    [Fact]
    public void An_unmasked_stack_fault_leaves_the_stack_as_it_was()
    {
        State->FpuControl = 0x37E;
        Run(a => a.faddp(st1, st0));
        Assert.Equal((0, 0xFF), (State->FpuTop, State->FpuTagsEmpty));
        Assert.Equal(X87Control.StackFault | Invalid | X87Control.ErrorSummary | X87Control.Busy, State->FpuStatus);
    }

    [Theory]
    [InlineData(0x37F, 0x20, 0xAAAA_AAAA_AAAA_AAAB)]
    [InlineData(0x27F, 0x20, 0xAAAA_AAAA_AAAA_A800)]
    [InlineData(0x07F, 0x20, 0xAAAA_AB00_0000_0000)]
    [InlineData(0xF7F, 0x20, 0xAAAA_AAAA_AAAA_AAAA)]
    [InlineData(0xB7F, 0x20, 0xAAAA_AAAA_AAAA_AAAB)]
    public void Precision_and_rounding_control_decide_where_results_are_cut(int control, int flags, ulong significand)
    {
        Data<ushort>()[0] = (ushort)control;
        Data<int>()[1] = 3;
        Run(a =>
        {
            a.fldcw(__word_ptr[rcx]);
            a.fld1();
            a.fidiv(__dword_ptr[rcx + 4]);
        });
        Assert.Equal(new ExtendedReal(significand, 0x3FFD), X87Registers.Read(State, 0));
        Assert.Equal(flags, State->FpuStatus & 0x3F);
        Assert.Equal((significand & 1) != 0 || control is 0x07F, (State->FpuStatus & X87Control.C1) != 0);
    }

    [Fact]
    public void An_unmasked_overflow_gives_the_result_with_its_exponent_moved()
    {
        State->FpuControl = 0x377;
        X87Registers.Push(State, new ExtendedReal(1UL << 63, 0x7FFE));
        Run(a => a.fadd(st0, st0));
        Assert.Equal(new ExtendedReal(1UL << 63, 0x7FFF - 24576), X87Registers.Read(State, 0));
        Assert.Equal(Overflow, State->FpuStatus & 0x3F);
    }

    [Fact]
    public void A_masked_underflow_is_flagged_only_when_the_result_is_inexact()
    {
        X87Registers.Push(State, new ExtendedReal(3UL << 62, 1));
        Data<float>()[0] = 0.5f;
        Run(a => a.fmul(__dword_ptr[rcx]));
        Assert.Equal(0, State->FpuStatus & 0x3F);
        Assert.Equal(new ExtendedReal(3UL << 61, 0), X87Registers.Read(State, 0));
        X87Registers.Write(State, 0, new ExtendedReal((1UL << 63) | 1, 1));
        Run(a => a.fmul(__dword_ptr[rcx]));
        Assert.Equal(Underflow | Precision, State->FpuStatus & 0x3F);
    }

    [Fact]
    public void Of_two_quiet_NaNs_the_larger_significand_is_the_result()
    {
        X87Registers.Push(State, new ExtendedReal(0xC000_0000_0000_0005, 0xFFFF));
        X87Registers.Push(State, new ExtendedReal(0xC000_0000_0000_0001, 0x7FFF));
        Run(a => a.fadd(st0, st1));
        Assert.Equal(new ExtendedReal(0xC000_0000_0000_0005, 0xFFFF), X87Registers.Read(State, 0));
        Assert.Equal(0, State->FpuStatus & 0x3F);
    }

    [Fact]
    public void Unsupported_encodings_are_invalid_operands()
    {
        X87Registers.Push(State, new ExtendedReal(1, 0x4000));
        Run(a => a.fsqrt());
        Assert.Equal(ExtendedReal.Indefinite, X87Registers.Read(State, 0));
        Assert.Equal(Invalid, State->FpuStatus & 0x7F);
    }

    [Fact]
    public void Fprem_repeated_until_C2_is_clear_gives_the_exact_remainder()
    {
        Data<double>()[0] = 7;
        Data<double>()[1] = Math.Pow(2, 200) * 3;
        int rounds = 0;
        Run(a =>
        {
            a.fld(__qword_ptr[rcx]);
            a.fld(__qword_ptr[rcx + 8]);
        });
        do
        {
            Run(a => a.fprem());
            rounds++;
        }
        while ((State->FpuStatus & X87Control.C2) != 0);

        // 2^200 is 4 modulo 7, so 12 - 7 is left.
        Run(a => a.fistp(__dword_ptr[rcx]));
        Assert.Equal(5, Data<int>()[0]);
        Assert.InRange(rounds, 4, 7);
    }

    [Theory]
    [InlineData(123456789012345678, 0x3456_7890_1234_5678, 0x0012)]
    [InlineData(-5, 5UL, 0x8000)]
    public void Fbstp_stores_eighteen_digits(long value, ulong low, int high)
    {
        Data<long>()[0] = value;
        Run(a =>
        {
            a.fild(__qword_ptr[rcx]);
            a.fbstp(__tbyte_ptr[rcx + 16]);
            a.fbld(__tbyte_ptr[rcx + 16]);
            a.fistp(__qword_ptr[rcx + 32]);
        });
        Assert.Equal((low, (ushort)high), (Data<ulong>()[2], Data<ushort>()[12]));
        Assert.Equal(value, Data<long>()[4]);
    }

    [Fact]
    public void Integers_that_do_not_fit_are_stored_as_the_indefinite()
    {
        Data<double>()[0] = 1e10;
        Run(a =>
        {
            a.fld(__qword_ptr[rcx]);
            a.fist(__dword_ptr[rcx + 8]);
        });
        Assert.Equal(int.MinValue, Data<int>()[2]);
        Assert.Equal(Invalid, State->FpuStatus & 0x3F);
    }

    [Fact]
    public void Fcomi_of_a_quiet_NaN_is_unordered_and_invalid_and_fucomi_only_unordered()
    {
        X87Registers.Push(State, ExtendedReal.Indefinite);
        Run(a => a.fucomi(st0, st0));
        Assert.Equal(ArithmeticFlags.Zero | ArithmeticFlags.Parity | ArithmeticFlags.Carry, ArithmeticFlags.Read(State));
        Assert.Equal(0, State->FpuStatus & 0x3F);
        Run(a => a.fcomi(st0, st0));
        Assert.Equal(Invalid, State->FpuStatus & 0x3F);
    }
}
