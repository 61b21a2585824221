using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Differential.Native;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;
using RflagsBits = Vmm.Vmx.RflagsBits;

namespace Vmm.Engine.Software.Tests.Translate;

/// <summary>What translated code must leave exact where it ends early.</summary>
public sealed unsafe class TranslatedCodeTests
{
    private const long NotMapped = 0x4000_0000;

    /// <summary>Flags after 80000000h was added to itself.</summary>
    private const ulong DoubledSignBit = ArithmeticFlags.Carry | ArithmeticFlags.Overflow | ArithmeticFlags.Zero | ArithmeticFlags.Parity;

    [NativeFact]
    public void A_fault_shows_the_flags_even_where_the_next_instruction_overwrites_them()
    {
        using TestMachine machine = new();
        machine.Run(a =>
        {
            a.mov(rbx, NotMapped);
            a.mov(eax, unchecked((int)0x8000_0000));
            a.add(eax, eax);
            a.mov(__[rbx], eax);
            a.cmp(eax, 5);
        });
        Assert.Equal(ExceptionVector.PageFault, machine.Fault);
        Assert.Equal(DoubledSignBit, ArithmeticFlags.Read(machine.State));
    }

    [NativeFact]
    public void A_fault_without_an_access_in_the_block_that_follows_shows_the_flags()
    {
        using TestMachine machine = new();
        machine.Run(a =>
        {
            Label next = a.CreateLabel();
            a.xor(ecx, ecx);
            a.mov(eax, unchecked((int)0x8000_0000));
            a.add(eax, eax);
            a.jmp(next);
            a.nop();
            a.Label(ref next);
            a.div(ecx);
            a.cmp(eax, 5);
        });
        Assert.Equal(ExceptionVector.DivideError, machine.Fault);
        Assert.Equal(DoubledSignBit, ArithmeticFlags.Read(machine.State));
    }

    [NativeFact]
    public void An_exception_of_vector_code_shows_the_flags_of_what_came_before_it()
    {
        using TestMachine machine = new();
        machine.State->Mxcsr = 0x1F80 & ~0x200u;
        machine.Run(a =>
        {
            a.mov(eax, unchecked((int)0x8000_0000));
            a.add(eax, eax);
            a.divsd(xmm0, xmm1); // 0/0 is masked
            a.cvtsi2sd(xmm0, rsp);
            a.divsd(xmm0, xmm1);
            a.cmp(eax, 5);
        });
        Assert.Equal(ExceptionVector.SimdFloatingPoint, machine.Fault);
        Assert.Equal(DoubledSignBit, ArithmeticFlags.Read(machine.State));
    }

    [NativeFact]
    public void A_fault_in_a_group_of_accesses_leaves_those_before_it_done()
    {
        using TestMachine machine = new();
        machine.Run(a =>
        {
            a.mov(rbx, NotMapped - 16);
            a.mov(__qword_ptr[rbx], 1);
            a.mov(__qword_ptr[rbx + 8], 2);
            a.mov(__qword_ptr[rbx + 16], 3);
        });
        Assert.Equal(ExceptionVector.PageFault, machine.Fault);
        Assert.Equal((ulong)NotMapped, machine.State->FaultAddress);
        Assert.Equal(2, machine.DeviceAccesses.Count(access => access.IsWrite));
    }

    [NativeFact]
    public void A_block_may_hold_as_many_string_instructions_as_fit()
    {
        using TestMachine machine = new();
        machine.Run(a =>
        {
            a.mov(rsi, (long)TestMachine.DataAddress);
            a.mov(rdi, (long)TestMachine.DataAddress + 0x800);
            for (int n = 0; n < 3 * BlockPool.MaximumInstructions; n++)
            {
                a.movsb();
            }
        });
        Assert.Equal(TestMachine.DataAddress + 3 * BlockPool.MaximumInstructions, machine.State->Gpr.Rsi);
    }

    [NativeFact]
    public void A_block_may_hold_as_many_divisions_of_memory_as_fit()
    {
        using TestMachine machine = new();
        machine.Run(a =>
        {
            a.mov(rbx, (long)TestMachine.DataAddress);
            a.mov(__qword_ptr[rbx], 1);
            a.mov(eax, 77);
            for (int n = 0; n < 3 * BlockPool.MaximumInstructions; n++)
            {
                a.xor(edx, edx);
                a.idiv(__qword_ptr[rbx]);
            }

            for (int n = 0; n < 3 * BlockPool.MaximumInstructions; n++)
            {
                a.idiv(__qword_ptr[rbx]);
            }
        });
        Assert.Equal(77UL, machine.State->Gpr.Rax);
    }

    [NativeTheory]
    [InlineData(0)]
    [InlineData(5)]
    public void A_repetition_that_was_suspended_ends_with_RF_clear(int left)
    {
        using TestMachine machine = new();
        machine.State->SystemFlags |= (ulong)RflagsBits.Rf;
        machine.Run(a =>
        {
            a.mov(rdi, (long)TestMachine.DataAddress);
            a.mov(ecx, left);
            a.rep.stosb();
            a.nop();
        });
        Assert.Equal(0UL, machine.State->SystemFlags & (ulong)RflagsBits.Rf);
    }

    [NativeTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_exception_that_MXCSR_unmasks_shows_the_flags_before_it(bool carry)
    {
        using TestMachine machine = new();
        machine.State->Mxcsr = 0x1F80 & ~0x200u;
        machine.Run(a =>
        {
            Iced.Intel.Label block = a.CreateLabel();
            a.pxor(xmm1, xmm1);
            a.mov(eax, 1);
            a.cvtsi2sd(xmm0, eax);
            a.mov(ecx, -1);
            a.mov(edx, carry ? 3 : 1);
            a.cmp(edx, 2);
            a.cmc();
            a.jmp(block);
            a.nop();
            a.Label(ref block);
            a.inc(ecx);
            a.divsd(xmm0, xmm1);
            a.cmp(eax, 5);
        });
        Assert.Equal(ExceptionVector.SimdFloatingPoint, machine.Fault);
        Assert.Equal(
            (carry ? ArithmeticFlags.Carry : 0) | ArithmeticFlags.Zero | ArithmeticFlags.Parity | ArithmeticFlags.Adjust,
            ArithmeticFlags.Read(machine.State));
    }

    [NativeFact]
    public void An_exception_that_MXCSR_unmasks_is_the_guests()
    {
        using TestMachine machine = new();
        machine.State->Mxcsr = 0x1F80 & ~0x200u;
        machine.Run(a =>
        {
            a.pxor(xmm1, xmm1);
            a.mov(eax, 1);
            a.cvtsi2sd(xmm0, eax);
            a.divsd(xmm0, xmm1);
        });
        Assert.Equal(ExceptionVector.SimdFloatingPoint, machine.Fault);
    }

    [NativeFact]
    public void A_misaligned_aligned_move_is_GP()
    {
        using TestMachine machine = new();
        machine.Run(a =>
        {
            a.mov(rbx, (long)TestMachine.DataAddress + 8);
            a.movups(xmm0, __xmmword_ptr[rbx]);
            a.movaps(xmm1, __xmmword_ptr[rbx]);
        });
        Assert.Equal(ExceptionVector.GeneralProtection, machine.Fault);
    }

    [NativeFact]
    public void A_return_to_a_non_canonical_address_faults_at_the_return_with_RSP_as_before()
    {
        using TestMachine machine = new();
        ulong rip = 0;
        machine.Run(a =>
        {
            a.mov(rax, unchecked((long)0x8000_0000_0000_0000));
            a.push(rax);
            rip = TestMachine.CodeAddress + 11;
            a.ret();
        });
        Assert.Equal(ExceptionVector.GeneralProtection, machine.Fault);
        Assert.Equal((rip, TestMachine.StackTop - 8), (machine.State->Rip, machine.State->Gpr.Rsp));
    }

    [NativeFact]
    public void Upper_halves_of_vector_registers_survive_the_way_out_and_back()
    {
        using TestMachine machine = new();
        machine.State->Xcr0 = 7;
        Vmm.Engine.Software.Decode.BlockMode.Update(machine.State);
        machine.Run(a =>
        {
            a.mov(eax, 0x5A5A5A5A);
            a.vmovd(xmm3, eax);
            a.vpbroadcastd(ymm3, xmm3);
            a.fsin(); // interpreted
            a.vextracti128(xmm4, ymm3, 1);
            a.vmovd(ebx, xmm4);
        });
        Assert.Null(machine.Fault);
        Assert.Equal(0x5A5A5A5AUL, machine.State->Gpr.Rbx);
    }

    [NativeFact]
    public void Calls_of_code_that_was_overwritten_once_stay_linked()
    {
        using TestMachine machine = new();
        machine.Run(a =>
        {
            Label function = a.CreateLabel();
            Label start = a.CreateLabel();
            Label again = a.CreateLabel();
            a.jmp(start);
            a.Label(ref function);
            a.mov(eax, 1);
            a.ret();
            a.Label(ref start);
            a.lea(rbx, __[function]);
            a.mov(ecx, 10_000);
            a.Label(ref again);
            a.call(function);
            a.add(rdx, rax);
            a.cmp(ecx, 9_000);
            Label same = a.CreateLabel();
            a.jne(same);
            a.mov(__byte_ptr[rbx + 1], 2);
            a.Label(ref same);
            a.dec(ecx);
            a.jne(again);
        });
        Assert.Equal(1_001UL + 2 * 8_999, machine.State->Gpr.Rdx);
        long entries = machine.Processor.Translator!.Counters.Single(counter => counter.Key == "translated code entered").Value;
        Assert.InRange(entries, 1, 100);
    }
}
