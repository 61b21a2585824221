using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Translate;

/// <summary>
/// x87 and MMX code for random programs: loads, stores, arithmetic and comparisons, stack faults among them, control words
/// that round in all ways and some that unmask, all exceptions cleared again before they could be delivered.
/// </summary>
/// <param name="random">Where all choices come from.</param>
/// <param name="data">Says anew for each access where two pages of data are, below 2 GiB.</param>
internal sealed class RandomX87(Random random, Func<long> data)
{
    private static readonly AssemblerRegisterST[] Stack = [st0, st1, st2, st3, st7];
    private static readonly AssemblerRegisterMM[] Vectors = [mm0, mm1, mm2, mm5, mm7];

    private AssemblerRegisterST AnyRegister => Stack[random.Next(Stack.Length)];

    private AssemblerRegisterMM AnyVector => Vectors[random.Next(Vectors.Length)];

    private AssemblerMemoryOperand Word => __word_ptr[data() + random.Next(0x1FFE)];

    private AssemblerMemoryOperand Dword => __dword_ptr[data() + random.Next(0x1FFC)];

    private AssemblerMemoryOperand Qword => __qword_ptr[data() + random.Next(0x1FF8)];

    private AssemblerMemoryOperand Tbyte => __tbyte_ptr[data() + random.Next(0x1FF6)];

    /// <summary>A few instructions; flags are defined, and DX is the status word, now and then.</summary>
    public void Write(Assembler a)
    {
        switch (random.Next(36))
        {
            case 0: a.fld(Qword); break;
            case 1: a.fld(Dword); break;
            case 2: a.fld(Tbyte); break;
            case 3: a.fild(Dword); break;
            case 4: a.fild(Qword); break;
            case 5: a.fild(Word); break;
            case 6: a.fstp(Qword); break;
            case 7: a.fst(Dword); break;
            case 8: a.fstp(Tbyte); break;
            case 9: a.fistp(Qword); break;
            case 10: a.fist(Word); break;
            case 11: a.fisttp(Dword); break;
            case 12: a.fadd(st0, AnyRegister); break;
            case 13: a.fmul(AnyRegister, st0); break;
            case 14: a.fsubp(AnyRegister, st0); break;
            case 15: a.fdivr(Qword); break;
            case 16: a.fiadd(Word); break;
            case 17: a.fdivp(AnyRegister, st0); break;
            case 18: a.fxch(st0, AnyRegister); break;
            case 19: a.fld(AnyRegister); break;
            case 20: a.fstp(AnyRegister); break;
            case 21: a.fcomip(st0, AnyRegister); break;
            case 22: a.fucomi(st0, AnyRegister); a.fcmovbe(st0, AnyRegister); break;
            case 23: a.fcom(Qword); a.fnstsw(ax); a.mov(edx, eax); break;
            case 24: a.fsqrt(); break;
            case 25: a.frndint(); a.fxam(); break;
            case 26: a.fldpi(); a.fld1(); a.fscale(); break;
            case 27: a.fchs(); a.fabs(); a.ftst(); break;
            case 28: WriteControl(a, 0x3F | random.Next(16) << 8); break;
            case 29: WriteUnmasked(a); break;
            case 30: a.fincstp(); a.ffree(AnyRegister); break;
            case 31: a.fsin(); break;
            case 32: a.fninit(); break;
            case 33: a.fxsave(__[data() + random.Next(0x1E0) * 16]); break;
            case 34: a.emms(); break;
            default: WriteMmx(a); break;
        }
    }

    // Through the stack, so that stores to the data do not unmask anything.
    private static void WriteControl(Assembler a, int control)
    {
        a.mov(__word_ptr[rsp - 8], control);
        a.fldcw(__word_ptr[rsp - 8]);
    }

    private void WriteUnmasked(Assembler a)
    {
        a.fnclex();
        WriteControl(a, 0x340 | random.Next(64));
        a.fld1();
        a.fnclex();
        WriteControl(a, 0x37F);
        a.wait();
    }

    private void WriteMmx(Assembler a)
    {
        a.movq(AnyVector, Qword);
        a.paddw(AnyVector, AnyVector);
        a.pmullw(AnyVector, Qword);
        a.movd(ecx, AnyVector);
        a.movq(Qword, AnyVector);
        if (random.Next(2) == 0)
        {
            a.emms();
        }
    }
}
