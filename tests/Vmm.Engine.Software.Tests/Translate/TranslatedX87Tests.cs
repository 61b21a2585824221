using System.Runtime.InteropServices;
using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Instructions;
using Vmm.Engine.Software.Instructions.X87;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Differential.Native;
using Vmm.Engine.Software.Tests.Harness;
using Vmm.Engine.Software.Tests.X87;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Tests.Translate;

/// <summary>x87 and MMX state while the host's registers hold it, and when they must give it back.</summary>
public sealed unsafe class TranslatedX87Tests : IDisposable
{
    private const long Data = (long)TestMachine.DataAddress;
    private const long NotMapped = 0x4000_0000;
    private static readonly ExtendedReal One = new(1UL << 63, 0x3FFF);

    // What the handler of CPUID saw: TOP, ST(0), the last instruction.
    private static (int Top, ExtendedReal Value, ulong LastInstruction) s_seen;

    private readonly TestMachine _machine = new();

    public void Dispose() => _machine.Dispose();

    private CpuState* State => _machine.State;

    private T Read<T>(int offset) where T : unmanaged => MemoryMarshal.Read<T>(_machine.Memory.Bytes[((int)Data + offset)..]);

    private long Counter(string name) => _machine.Processor.Translator!.Counters.Single(counter => counter.Key == name).Value;

    [NativeFact]
    public void The_state_stays_in_the_host_across_linked_blocks()
    {
        _machine.Run(a =>
        {
            Label again = a.CreateLabel();
            Label other = a.CreateLabel();
            a.mov(ecx, 10_000);
            a.fldz();
            a.Label(ref again);
            a.fld1();
            a.jmp(other);
            a.nop();
            a.Label(ref other);
            a.faddp(st1, st0);
            a.dec(ecx);
            a.jne(again);
            a.fistp(__dword_ptr[Data]);
        });
        Assert.Equal(10_000, Read<int>(0));
        Assert.Equal((0, 0xFF, 0u), (State->FpuTop, State->FpuTagsEmpty, State->X87Loaded));
        Assert.InRange(Counter("translated code entered"), 1, 100);
    }

    [NativeTheory]
    [InlineData(0x37F)]
    [InlineData(0xB7F)]
    public void The_hosts_control_word_and_empty_registers_are_back_when_a_translation_ends(int control)
    {
        State->FpuControl = (ushort)control;
        _machine.Run(a =>
        {
            a.fldpi();
            a.fld1();
        });
        byte* environment = stackalloc byte[32];
        Assert.Equal(0, ReadEnvironment(environment));
        Assert.Equal((0x37F, 0xFFFF), (*(ushort*)environment, *(ushort*)(environment + 8)));
        Assert.Equal((control, 6, 0x3F), (State->FpuControl, State->FpuTop, State->FpuTagsEmpty));
    }

    [DllImport("libm.so.6", EntryPoint = "fegetenv")]
    private static extern int ReadEnvironment(byte* environment);

    [NativeFact]
    public void Handlers_find_the_state_in_its_place_and_events_are_taken_with_it()
    {
        HandlerTable handlers = new(InstructionSet.Handlers);
        handlers.Set(Code.Cpuid, &Look);
        using TestMachine machine = new(handlers: handlers);
        machine.Run(a =>
        {
            Label again = a.CreateLabel();
            a.mov(ecx, 100);
            a.fldz();
            a.Label(ref again);
            a.fld1();
            a.faddp(st1, st0);
            a.cpuid();
            a.dec(ecx);
            a.jne(again);
            a.fild(__dword_ptr[Data]);
            a.faddp(st1, st0);
        });
        Assert.Equal((7, new ExtendedReal(100UL << 57, 0x3FFF + 6), TestMachine.CodeAddress + 9), s_seen);
        Assert.Equal(s_seen.Value, X87Registers.Physical(machine.State, 7));
    }

    [NativeFact]
    public void What_follows_a_control_word_that_unmasks_an_exception_is_interpreted()
    {
        HandlerTable handlers = new(InstructionSet.Handlers);

        // Another processor may have written to the operand since translated code looked at it.
        handlers.Set(Code.Fldcw_m2byte, &LeaveMasked);
        handlers.Set(Code.Fistp_m64int, &Count);
        using TestMachine machine = new(handlers: handlers);
        s_stores = 0;
        machine.Run(a =>
        {
            a.mov(rbx, Data);
            a.mov(__word_ptr[rbx + 0x200], 0); // the page is in the TLB then
            a.mov(__word_ptr[rbx], 0);
            a.fld1();
            a.fldcw(__word_ptr[rbx]);
            a.fistp(__qword_ptr[rbx + 8]);
        });
        Assert.Equal(1, s_stores);
    }

    private static int s_stores;

    private static Outcome LeaveMasked(CpuState* s, Instruction* i)
    {
        s->FpuControl = 0x37F;
        return Outcome.Next;
    }

    private static Outcome Count(CpuState* s, Instruction* i)
    {
        s_stores++;
        return Outcome.Next;
    }

    private static Outcome Look(CpuState* s, Instruction* i)
    {
        s_seen = (s->FpuTop, X87Registers.Read(s, 0), s->FpuLastInstruction);
        s->EventPending = 1;
        return Outcome.Next;
    }

    [NativeTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_guest_switches_between_two_contexts(bool extended)
    {
        State->Xcr0 = 3;
        BlockMode.Update(State);
        _machine.Run(a =>
        {
            a.mov(eax, 1);
            a.xor(edx, edx);
            a.fld1();
            Save(a, Data, extended);
            a.fninit();
            a.fldpi();
            a.fldpi();
            Save(a, Data + 0x400, extended);
            Restore(a, Data, extended);
            a.fstp(__tbyte_ptr[Data + 0x800]);
            Restore(a, Data + 0x400, extended);
            a.fadd(st1, st0);
        });
        Assert.Null(_machine.Fault);
        Assert.Equal(One, Read<ExtendedReal>(0x800));
        Assert.Equal((6, 0x3F), (State->FpuTop, State->FpuTagsEmpty));
        Assert.Equal(0x4001, X87Registers.Read(State, 1).SignExponent);
    }

    private static void Save(Assembler a, long address, bool extended)
    {
        if (extended)
        {
            a.xsave64(__[address]);
            return;
        }

        a.fxsave64(__[address]);
    }

    private static void Restore(Assembler a, long address, bool extended)
    {
        if (extended)
        {
            a.xrstor64(__[address]);
            return;
        }

        a.fxrstor64(__[address]);
    }

    [NativeFact]
    public void An_exception_that_FLDCW_unmasks_is_the_guests()
    {
        _machine.Run(a =>
        {
            a.mov(__word_ptr[Data], 0x37B);
            a.fldz();
            a.fldcw(__word_ptr[Data]);
            a.fld1();
            a.add(eax, 1);
            a.fdiv(st0, st1);
            a.fld1();
            a.cmp(eax, 9);
        });
        Assert.Equal(ExceptionVector.X87FloatingPoint, _machine.Fault);
        Assert.Equal(0x84, State->FpuStatus & 0xFF);
        Assert.Equal((0x37B, 0x0F1), (State->FpuControl, State->FpuLastOpcode));
        Assert.Equal(State->Rip - 2, State->FpuLastInstruction);
    }

    [NativeFact]
    public void A_pending_exception_shows_the_flags_even_where_the_next_instruction_overwrites_them()
    {
        State->FpuControl = 0x37B;
        _machine.Run(a =>
        {
            a.fldz();
            a.fld1();
            a.fdiv(st0, st1);
            a.mov(eax, unchecked((int)0x8000_0000));
            a.add(eax, eax);
            a.fld1();
            a.cmp(eax, 5);
        });
        Assert.Equal(ExceptionVector.X87FloatingPoint, _machine.Fault);
        Assert.Equal(
            ArithmeticFlags.Carry | ArithmeticFlags.Overflow | ArithmeticFlags.Zero | ArithmeticFlags.Parity,
            ArithmeticFlags.Read(_machine.State));
    }

    [NativeFact]
    public void TS_set_while_the_host_has_the_state_makes_the_next_instruction_NM()
    {
        _machine.Run(a =>
        {
            a.fld1();
            a.mov(rax, cr0);
            a.or(eax, (int)Cr0Bits.Ts);
            a.mov(cr0, rax);
            a.fldpi();
        });
        Assert.Equal(ExceptionVector.DeviceNotAvailable, _machine.Fault);
        Assert.Equal((7, One), (State->FpuTop, X87Registers.Read(State, 0)));
    }

    [NativeFact]
    public void A_fault_shows_the_last_instruction_before_it_and_leaves_the_stack_as_it_was()
    {
        _machine.Run(a =>
        {
            a.mov(rbx, NotMapped);
            a.fldpi();
            a.fld1();
            a.fnstcw(__word_ptr[Data]);
            a.fistp(__qword_ptr[rbx]);
        });
        Assert.Equal(ExceptionVector.PageFault, _machine.Fault);
        Assert.Equal((6, One), (State->FpuTop, X87Registers.Read(State, 0)));
        Assert.Equal(TestMachine.CodeAddress + 12, State->FpuLastInstruction);
        Assert.Equal((0UL, 0), (State->FpuLastData, State->FpuLastOpcode));
    }

    [NativeFact]
    public void Extended_reals_cross_pages()
    {
        _machine.Run(a =>
        {
            a.fld1();
            a.fstp(__tbyte_ptr[Data + 0xFFC]);
            a.fldpi();
            a.fld(__tbyte_ptr[Data + 0xFFC]);
            a.fstp(__tbyte_ptr[Data]);
        });
        Assert.Equal(One, Read<ExtendedReal>(0));
        Assert.Equal(TestMachine.CodeAddress + 2 + 7 + 2 + 7, State->FpuLastInstruction);
    }

    [NativeFact]
    public void FCOMI_clears_C1_on_every_host()
    {
        _machine.Run(a =>
        {
            a.fld1();
            a.fchs();
            a.fxam();
            a.fnstsw(__word_ptr[Data]);
            a.fcomi(st0, st0);
            a.fnstsw(ax);
        });
        Assert.Equal(X87Control.C1, Read<ushort>(0) & X87Control.C1);
        Assert.Equal(0, (int)State->Gpr.Rax & X87Control.C1);
    }

    [NativeFact]
    public void MMX_registers_are_the_significands_with_TOP_0_and_all_tags_valid()
    {
        _machine.Run(a =>
        {
            a.fldpi();
            a.mov(eax, 7);
            a.movd(mm3, eax);
            a.paddd(mm3, mm3);
            a.movd(ebx, mm3);
        });
        Assert.Equal(14UL, State->Gpr.Rbx);
        Assert.Equal((0, 0), (State->FpuTop, State->FpuTagsEmpty));
        Assert.Equal(new ExtendedReal(14, 0xFFFF), X87Registers.Physical(State, 3));
        Assert.Equal(0x4000, X87Registers.Physical(State, 7).SignExponent);
    }

    [NativeFact]
    public void Vector_registers_survive_the_loading_of_x87_state()
    {
        _machine.Run(a =>
        {
            a.mov(eax, 0x5A5A5A5A);
            a.movd(xmm3, eax);
            a.fld1();
            a.fistp(__dword_ptr[Data]);
            a.movd(ebx, xmm3);
        });
        Assert.Equal((0x5A5A5A5AUL, 1), (State->Gpr.Rbx, Read<int>(0)));
    }
}
