using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Translate;

/// <summary>
/// Writes random instructions whose outcome is defined: nothing reads a flag that an instruction leaves undefined. R12 counts
/// loops; R15 and RSP are left alone.
/// </summary>
/// <param name="random">Where all choices come from.</param>
/// <param name="data">Says anew for each access where two pages of data are, below 2 GiB.</param>
internal sealed class RandomInstructions(Random random, Func<long> data)
{
    private static readonly AssemblerRegister64[] Wide = [rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r13, r14];
    private static readonly AssemblerRegister32[] Narrow = [eax, ecx, edx, ebx, ebp, esi, edi, r8d, r9d, r10d, r11d, r13d, r14d];
    private static readonly AssemblerRegister8[] Bytes = [al, cl, dl, bl, ah, dh, sil, dil, r8b, r10b, r14b];
    private static readonly AssemblerRegisterXMM[] Vectors = [xmm0, xmm1, xmm2, xmm7, xmm8, xmm15];

    private AssemblerRegister64 Any64 => Wide[random.Next(Wide.Length)];

    private AssemblerRegister32 Any32 => Narrow[random.Next(Narrow.Length)];

    private AssemblerRegister8 AnyByte => Bytes[random.Next(Bytes.Length)];

    private AssemblerRegisterXMM AnyVector => Vectors[random.Next(Vectors.Length)];

    /// <summary>Random numbers to all registers.</summary>
    public void FillRegisters(Assembler a)
    {
        foreach (AssemblerRegister64 register in Wide)
        {
            a.mov(register, random.NextInt64());
        }
    }

    public void WriteForwardBranch(Assembler a)
    {
        Label over = a.CreateLabel();
        a.test(Any64, Any64);
        switch (random.Next(5))
        {
            case 0:
                a.js(over);
                break;
            case 1:
                a.jp(over);
                break;
            case 2:
                a.jbe(over);
                break;
            case 3:
                a.jl(over);
                break;
            default:
                a.jne(over);
                break;
        }

        Write(a, 3);
        a.Label(ref over);
        a.nop();
    }

    public void WriteLoop(Assembler a)
    {
        Label again = a.CreateLabel();
        a.mov(r12d, random.Next(1, 12));
        a.Label(ref again);
        Write(a, 4);
        a.sub(r12d, 1);
        a.ja(again);
    }

    public void WriteIndirectJump(Assembler a)
    {
        Label target = a.CreateLabel();
        AssemblerRegister64 register = Any64;
        a.lea(register, __[target]);
        a.jmp(register);
        Write(a, 2);
        a.Label(ref target);
        a.nop();
    }

    public void Write(Assembler a, int count)
    {
        for (; count > 0; count--)
        {
            WriteInstruction(a);
        }
    }

    private void WriteInstruction(Assembler a)
    {
        switch (random.Next(40))
        {
            case 0: a.add(Any64, Any64); break;
            case 1: a.sub(Any32, Any32); break;
            case 2: a.adc(Any64, Any64); break;
            case 3: a.sbb(Any32, Any32); break;
            case 4: a.xor(Any64, Any64); break;
            case 5: a.and(AnyByte, (sbyte)random.Next(128)); break;
            case 6: a.lea(Any64, __[Any64 + Any64 * 4 + 77]); break;
            case 7: a.shl(Any64, (byte)random.Next(64)); DefineFlags(a); break;
            case 8: a.sar(Any32, cl); DefineFlags(a); break;
            case 9: a.rol(Any64, cl); DefineFlags(a); break;
            case 10: a.imul(Any64, Any64); DefineFlags(a); break;
            case 11: a.mul(Any64); DefineFlags(a); break;
            case 12: a.movzx(Any32, AnyLowByte); break;
            case 13: a.cmovb(Any64, Any64); break;
            case 14: a.setg(AnyLowByte); break;
            case 15: a.bswap(Any64); break;
            case 16: a.push(Any64); a.pop(Any64); break;
            case 17: a.inc(Any32); break;
            case 18: a.neg(Any64); break;
            case 19: a.mov(Any64, Memory); break;
            case 20: a.mov(Memory, Any64); break;
            case 21: a.add(Memory, Any64); break;
            case 22: a.mov(__dword_ptr[Place(4)], Any32); break;
            case 23: a.cmp(Any64, Memory); break;
            case 24: a.xchg(Memory, Any64); break;
            case 25: a.@lock.xadd(Memory, Any64); break;
            case 26: a.movups(AnyVector, __xmmword_ptr[Place(16)]); break;
            case 27: a.movups(__xmmword_ptr[Place(16)], AnyVector); break;
            case 28: a.paddd(AnyVector, AnyVector); break;
            case 29: a.movq(Any64, AnyVector); break;
            case 30: a.movaps(AnyVector, __xmmword_ptr[data() + random.Next(0x100) * 16]); break;
            case 31: a.cqo(); break;
            case 32: WriteDivision(a); DefineFlags(a); break;
            case 33: WriteStrings(a); break;
            default: new RandomX87(random, data).Write(a); DefineFlags(a); break;
        }
    }

    // Nothing may read flags that are undefined.
    private void DefineFlags(Assembler a) => a.cmp(Any64, Any64);

    private AssemblerRegister8 AnyLowByte
    {
        get
        {
            AssemblerRegister8 register = AnyByte;
            return register == ah || register == dh ? bl : register;
        }
    }

    // Where an access of a size goes: one in four across the pages.
    private long Place(int size) => data() + (random.Next(4) == 0 ? 0x1000 - random.Next(1, size) : random.Next(0x2000 - size));

    private AssemblerMemoryOperand Memory => __qword_ptr[Place(8)];

    private void WriteDivision(Assembler a)
    {
        a.xor(edx, edx);
        a.or(rcx, 1);
        if (random.Next(2) == 0)
        {
            a.div(rcx);
        }
        else
        {
            a.cqo();
            a.shr(rcx, 1);
            a.or(rcx, 2);
            a.idiv(rcx);
        }
    }

    private void WriteStrings(Assembler a)
    {
        a.mov(rdi, data() + 0x800 + random.Next(0x900));
        a.mov(rsi, data() + random.Next(0x700));
        a.mov(ecx, random.Next(80));
        switch (random.Next(4))
        {
            case 0: a.rep.movsb(); break;
            case 1: a.rep.stosd(); break;
            case 2: a.movsq(); break;
            default: a.stosb(); break;
        }
    }
}
