using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.EndToEnd.Tests.Guests;

/// <summary>
/// A guest that reads and writes ports and device memory at random, in all widths, for as long as it lives. A reset that it
/// causes starts it again where it was.
/// </summary>
internal static class FuzzingGuest
{
    private const uint Memory = 0x20_0000;
    private const uint Mark = 0x4655_5A5A;
    private const uint KindMask = 15;

    /// <summary>Where devices are on the board; each window has 64 KiB.</summary>
    private static readonly uint[] Windows =
    [
        0x000A_0000, 0x000B_0000, 0xC000_0000, 0xC001_0000, 0xE000_0000, 0xFEC0_0000, 0xFED0_0000, 0xFEE0_0000,
    ];

    /// <summary>The code. EBP has the random state, ECX the value, EDX the port and EDI the address of an access.</summary>
    /// <param name="a">Where to.</param>
    /// <param name="seed">Start of the random numbers, not 0.</param>
    public static void Write(Assembler a, uint seed)
    {
        Label loop = a.CreateLabel();
        Label random = a.CreateLabel();
        Label windows = a.CreateLabel();
        a.mov(esp, 0x8_0000);
        EnableVectors(a);
        RestoreState(a, seed);

        a.Label(ref loop);
        a.mov(__dword_ptr[Memory], ebp);
        a.call(random);
        a.mov(ecx, eax);
        ChoosePort(a, random);
        ChooseAddress(a, random, windows);
        a.call(random);
        a.and(eax, KindMask);
        a.mov(ebx, eax);
        a.mov(eax, ecx);
        for (int kind = 0; kind <= KindMask; kind++)
        {
            Label other = a.CreateLabel();
            a.cmp(ebx, kind);
            a.jne(other);
            Access(a, kind);
            a.jmp(loop);
            a.Label(ref other);
        }

        a.ud2();
        a.Label(ref random);
        NextRandom(a);
        a.Label(ref windows);
        foreach (uint window in Windows)
        {
            a.dd(window);
        }
    }

    private static void EnableVectors(Assembler a)
    {
        a.mov(eax, cr0);
        a.and(eax, ~0xC); // EM, TS
        a.or(eax, 2); // MP
        a.mov(cr0, eax);
        a.mov(eax, cr4);
        a.or(eax, 0x600); // OSFXSR, OSXMMEXCPT
        a.mov(cr4, eax);
    }

    /// <summary>Memory outlives a reset: the random numbers go on, lest the guest meet the same end for ever.</summary>
    private static void RestoreState(Assembler a, uint seed)
    {
        Label fresh = a.CreateLabel();
        Label ready = a.CreateLabel();
        a.cmp(__dword_ptr[Memory + 4], Mark);
        a.jne(fresh);
        a.mov(ebp, __dword_ptr[Memory]);
        a.test(ebp, ebp);
        a.jnz(ready);
        a.Label(ref fresh);
        a.mov(ebp, seed);
        a.mov(__dword_ptr[Memory + 4], Mark);
        a.Label(ref ready);
    }

    /// <summary>xorshift32 of Marsaglia, to EAX.</summary>
    private static void NextRandom(Assembler a)
    {
        a.mov(eax, ebp);
        a.shl(eax, 13);
        a.xor(ebp, eax);
        a.mov(eax, ebp);
        a.shr(eax, 17);
        a.xor(ebp, eax);
        a.mov(eax, ebp);
        a.shl(eax, 5);
        a.xor(ebp, eax);
        a.mov(eax, ebp);
        a.ret();
    }

    /// <summary>Any port, but every other time one of the first 4,096, where the devices are.</summary>
    private static void ChoosePort(Assembler a, Label random)
    {
        Label any = a.CreateLabel();
        a.call(random);
        a.mov(edx, eax);
        a.test(eax, 1 << 20);
        a.jz(any);
        a.and(edx, 0xFFF);
        a.Label(ref any);
        a.movzx(edx, dx);
    }

    /// <summary>Any address of the hole below 4 GiB, but mostly one in a window.</summary>
    private static void ChooseAddress(Assembler a, Label random, Label windows)
    {
        Label any = a.CreateLabel();
        Label chosen = a.CreateLabel();
        a.call(random);
        a.mov(edi, eax);
        a.test(eax, 3 << 20);
        a.jz(any);
        a.call(random);
        a.and(eax, Windows.Length - 1);
        a.lea(ebx, __[windows]);
        a.mov(ebx, __dword_ptr[ebx + eax * 4]);
        a.movzx(edi, di);
        a.add(edi, ebx);
        a.jmp(chosen);
        a.Label(ref any);
        a.or(edi, 0xC000_0000);
        a.Label(ref chosen);
    }

    private static void Access(Assembler a, int kind)
    {
        switch (kind)
        {
            case 0: a.@out(dx, al); break;
            case 1: a.@out(dx, ax); break;
            case 2: a.@out(dx, eax); break;
            case 3: a.@in(al, dx); break;
            case 4: a.@in(ax, dx); break;
            case 5: a.@in(eax, dx); break;
            case 6:
                a.mov(esi, Memory + 0x100);
                a.mov(ecx, 8);
                a.rep.outsd();
                break;
            case 7:
                a.mov(edi, Memory + 0x200);
                a.mov(ecx, 8);
                a.rep.insb();
                break;
            case 8: a.mov(__byte_ptr[edi], cl); break;
            case 9: a.mov(__word_ptr[edi], cx); break;
            case 10: a.mov(__dword_ptr[edi], ecx); break;
            case 11: a.mov(eax, __dword_ptr[edi]); break;
            case 12: a.movups(__xmmword_ptr[edi], xmm0); break;
            case 13: a.movups(xmm0, __xmmword_ptr[edi]); break;
            case 14: a.movq(mm0, __qword_ptr[edi]); break;
            default: a.@lock.add(__dword_ptr[edi], ecx); break;
        }
    }
}
