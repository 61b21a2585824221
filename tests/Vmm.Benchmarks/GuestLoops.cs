using Iced.Intel;
using Vmm.Engine.Software.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Benchmarks;

/// <summary>The guest programs of the interpreter's benchmark; each runs some ten million instructions.</summary>
internal static class GuestLoops
{
    private const long Data = (long)TestMachine.DataAddress;

    public static IReadOnlyList<(string Name, Action<Assembler> Code)> All { get; } =
    [
        ("registers", Registers),
        ("memory", Memory),
        ("checksum", Checksum),
        ("branches", Branches),
        ("calls", Calls),
        ("sort", Sort),
        ("copy", Copy),
    ];

    private static void Registers(Assembler a)
    {
        Label loop = a.CreateLabel();
        a.mov(ecx, 3_000_000);
        a.Label(ref loop);
        a.add(rax, rbx);
        a.xor(rbx, rax);
        a.lea(rdx, __[rax + rbx * 4 + 7]);
        a.shl(edx, 3);
        a.or(rsi, rdx);
        a.mov(rdi, rsi);
        a.sub(rdi, 0x55);
        a.dec(ecx);
        a.jnz(loop);
    }

    private static void Memory(Assembler a)
    {
        Label outer = a.CreateLabel();
        Label inner = a.CreateLabel();
        a.mov(edx, 3000);
        a.Label(ref outer);
        a.mov(rsi, Data);
        a.mov(ecx, 1000);
        a.Label(ref inner);
        a.mov(rax, __[rsi]);
        a.add(rax, rcx);
        a.mov(__[rsi + 8], rax);
        a.add(__qword_ptr[rsi + 16], 1);
        a.add(rsi, 8);
        a.dec(ecx);
        a.jnz(inner);
        a.dec(edx);
        a.jnz(outer);
    }

    private static void Checksum(Assembler a)
    {
        Label outer = a.CreateLabel();
        Label bit = a.CreateLabel();
        Label even = a.CreateLabel();
        a.mov(ebx, 500_000);
        a.mov(eax, -1);
        a.Label(ref outer);
        a.movzx(edx, __byte_ptr[rbx + Data]);
        a.xor(eax, edx);
        a.mov(ecx, 8);
        a.Label(ref bit);
        a.shr(eax, 1);
        a.jnc(even);
        a.xor(eax, 0xEDB88320);
        a.Label(ref even);
        a.dec(ecx);
        a.jnz(bit);
        a.dec(ebx);
        a.jnz(outer);
    }

    private static void Branches(Assembler a)
    {
        Label loop = a.CreateLabel();
        Label odd = a.CreateLabel();
        Label small = a.CreateLabel();
        Label next = a.CreateLabel();
        a.mov(ecx, 3_000_000);
        a.Label(ref loop);
        a.imul(eax, eax, 1_103_515_245);
        a.add(eax, 12_345);
        a.test(eax, 0x10000);
        a.jnz(odd);
        a.inc(r8);
        a.Label(ref odd);
        a.cmp(eax, 0x40000000);
        a.jb(small);
        a.add(r9, 2);
        a.jmp(next);
        a.Label(ref small);
        a.inc(r10);
        a.Label(ref next);
        a.cmp(ecx, 1);
        a.lea(ecx, __[rcx - 1]);
        a.ja(loop);
    }

    private static void Calls(Assembler a)
    {
        Label loop = a.CreateLabel();
        Label function = a.CreateLabel();
        Label end = a.CreateLabel();
        a.mov(ebx, 2_000_000);
        a.Label(ref loop);
        a.mov(edi, ebx);
        a.call(function);
        a.add(r12, rax);
        a.dec(ebx);
        a.jnz(loop);
        a.jmp(end);
        a.Label(ref function);
        a.push(rbp);
        a.mov(rbp, rsp);
        a.push(rbx);
        a.lea(rax, __[rdi + rdi * 2]);
        a.pop(rbx);
        a.pop(rbp);
        a.ret();
        a.Label(ref end);
    }

    private static void Sort(Assembler a)
    {
        Label fill = a.CreateLabel();
        Label outer = a.CreateLabel();
        Label inner = a.CreateLabel();
        Label ordered = a.CreateLabel();
        a.mov(ecx, 2000);
        a.Label(ref fill);
        a.imul(eax, eax, 1_103_515_245);
        a.add(eax, 12_345);
        a.mov(__dword_ptr[rcx * 4 + Data], eax);
        a.dec(ecx);
        a.jnz(fill);
        a.mov(r8d, 1999);
        a.Label(ref outer);
        a.mov(ecx, 1);
        a.Label(ref inner);
        a.mov(eax, __dword_ptr[rcx * 4 + Data]);
        a.mov(edx, __dword_ptr[rcx * 4 + Data + 4]);
        a.cmp(eax, edx);
        a.jbe(ordered);
        a.mov(__dword_ptr[rcx * 4 + Data], edx);
        a.mov(__dword_ptr[rcx * 4 + Data + 4], eax);
        a.Label(ref ordered);
        a.inc(ecx);
        a.cmp(ecx, r8d);
        a.jbe(inner);
        a.dec(r8d);
        a.jnz(outer);
    }

    private static void Copy(Assembler a)
    {
        Label outer = a.CreateLabel();
        Label inner = a.CreateLabel();
        a.mov(ebx, 1000);
        a.Label(ref outer);
        a.mov(rsi, Data);
        a.mov(rdi, Data + 0x8000);
        a.mov(ecx, 4096);
        a.Label(ref inner);
        a.movzx(eax, __byte_ptr[rsi]);
        a.inc(rsi);
        a.mov(__byte_ptr[rdi], al);
        a.inc(rdi);
        a.dec(ecx);
        a.jnz(inner);
        a.dec(ebx);
        a.jnz(outer);
    }
}
