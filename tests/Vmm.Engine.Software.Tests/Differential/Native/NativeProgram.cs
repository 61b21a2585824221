using System.Runtime.InteropServices;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Differential.Native;

/// <summary>
/// The program that runs cases on the host processor: reads a count from standard input, runs that many cases of the
/// shared file (its first argument), writes the count back; ends with its input. A case ends with a signal, always:
/// its own exception or the INT3 that fills the code page. So one signal handler sees the state of every case.
/// </summary>
internal sealed class NativeProgram
{
    // System calls and constants of Linux x86-64.
    private const int Read = 0;
    private const int Write = 1;
    private const int Open = 2;
    private const int MemoryMap = 9;
    private const int SignalAction = 13;
    private const int SignalReturn = 15;
    private const int Exit = 60;
    private const int ModifyLdt = 154;
    private const int SignalAltStack = 131;
    private const int Shared = 0x01;
    private const int PrivateAnonymous = 0x22;
    private const int Fixed = 0x10;

    // SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV.
    private static readonly int[] Signals = [4, 5, 7, 8, 11];

    // SA_SIGINFO | SA_RESTORER | SA_ONSTACK | SA_NODEFER.
    private const int SignalFlags = 0x4 | 0x0400_0000 | 0x0800_0000 | 0x4000_0000;

    // mcontext within the ucontext that the handler gets.
    private const int MachineContext = 40;
    private const int FloatingPointState = 184;

    // In that state, an XSAVE area in standard form.
    private const int AvxOffset = 576;
    private const int AvxComponent = 4;

    // Variables and stacks in the zeroed data.
    private const ulong Remaining = ElfExecutable.ZeroedData;
    private const ulong Current = ElfExecutable.ZeroedData + 8;
    private const ulong Scratch = ElfExecutable.ZeroedData + 64;

    // Far from every address that 32 bits of displacement reach: a case whose RSP lay on it would be taken for a handler.
    private const ulong SignalStack = 0x5EAD_BEE0_0000;
    private const int SignalStackSize = 0x2_0000;
    private const ulong WorkStackEnd = ElfExecutable.ZeroedData + ElfExecutable.ZeroedDataSize;

    // R8 to R15, RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP: the order of mcontext, as register numbers.
    private static readonly int[] ContextOrder = [8, 9, 10, 11, 12, 13, 14, 15, 7, 6, 5, 3, 2, 0, 1, 4];

    private static readonly AssemblerRegister64[] General =
        [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15];

    private readonly Assembler _a = new(64);
    private readonly int _sharedSize;
    private Label _exit;
    private Label _handler;
    private Label _next;
    private Label _restorer;

    private NativeProgram(int sharedSize)
    {
        _sharedSize = sharedSize;
        _exit = _a.CreateLabel();
        _handler = _a.CreateLabel();
        _next = _a.CreateLabel();
        _restorer = _a.CreateLabel();
    }

    /// <summary>The executable file.</summary>
    public static byte[] Build(int sharedSize)
    {
        NativeProgram program = new(sharedSize);
        program.MapMemory();
        program.InstallHandlers();
        program.RunCases();
        program.CollectResult();
        using MemoryStream code = new();
        program._a.Assemble(new StreamCodeWriter(code), ElfExecutable.Entry);
        return ElfExecutable.Build(code.ToArray());
    }

    private void MapMemory()
    {
        _a.mov(rdi, __qword_ptr[rsp + 16]);     // argv[1]
        _a.mov(esi, 2);                         // O_RDWR
        Call(Open);
        _a.mov(r8, rax);
        Map(CaseLayout.Cases, _sharedSize, 3, Shared | Fixed);
        _a.mov(r8, -1);
        Map(CaseLayout.Code, CaseLayout.PageSize, 7, PrivateAnonymous | Fixed);
        Map(CaseLayout.Data, CaseLayout.DataSize, 3, PrivateAnonymous | Fixed);
        Map(CaseLayout.ReadOnlyData, CaseLayout.PageSize, 1, PrivateAnonymous | Fixed);
        Map(SignalStack, SignalStackSize, 3, PrivateAnonymous | Fixed);

        // A page that was never read is not present, and a write to it would say so.
        _a.mov(rax, CaseLayout.ReadOnlyData);
        _a.mov(al, __byte_ptr[rax]);
    }

    private void Map(ulong address, int size, int protection, int flags)
    {
        _a.mov(rdi, address);
        _a.mov(esi, size);
        _a.mov(edx, protection);
        _a.mov(r10d, flags);
        _a.xor(r9d, r9d);
        Call(MemoryMap);
    }

    /// <summary>A system call; a failure ends the program with the call's number as its status.</summary>
    private void Call(int number)
    {
        Label good = _a.CreateLabel();
        _a.mov(eax, number);
        _a.syscall();
        _a.test(rax, rax);
        _a.jns(good);
        _a.mov(edi, number);
        _a.jmp(_exit);
        _a.Label(ref good);
        _a.nop();
    }

    private void InstallHandlers()
    {
        // stack_t: address, flags, size.
        _a.mov(rsi, Scratch);
        _a.mov(rax, SignalStack);
        _a.mov(__qword_ptr[rsi], rax);
        _a.mov(__qword_ptr[rsi + 16], SignalStackSize);
        _a.mov(rdi, rsi);
        _a.xor(esi, esi);
        Call(SignalAltStack);

        // struct sigaction as the kernel sees it: handler, flags, restorer, mask.
        _a.mov(rsi, Scratch);
        _a.lea(rax, __[_handler]);
        _a.mov(__qword_ptr[rsi], rax);
        _a.mov(__qword_ptr[rsi + 8], SignalFlags);
        _a.lea(rax, __[_restorer]);
        _a.mov(__qword_ptr[rsi + 16], rax);
        foreach (int signal in Signals)
        {
            _a.mov(edi, signal);
            _a.mov(rsi, Scratch);
            _a.xor(edx, edx);
            _a.mov(r10d, 8);
            Call(SignalAction);
        }

        Describe(CaseLayout.Code16Selector, CaseLayout.Code, CaseLayout.PageSize - 1, 2 << 1);
        Describe(CaseLayout.Data16Selector, CaseLayout.Data, CaseLayout.DataSize - 1, 0);
        Describe(CaseLayout.ExpandDownSelector, CaseLayout.Data, (int)CaseLayout.ExpandDownLimit, 1 << 1);
        Describe(CaseLayout.ReadOnlySelector, CaseLayout.Data, CaseLayout.DataSize - 1, 1 << 3);
    }

    // struct user_desc: entry, base, limit, flags (contents in bits 2:1, read-only in bit 3).
    private void Describe(ushort selector, ulong address, int limit, int flags)
    {
        _a.mov(rsi, Scratch);
        _a.mov(__dword_ptr[rsi], selector >> 3);
        _a.mov(__dword_ptr[rsi + 4], (int)address);
        _a.mov(__dword_ptr[rsi + 8], limit);
        _a.mov(__dword_ptr[rsi + 12], flags);
        _a.mov(edi, 0x11);
        _a.mov(edx, 16);
        Call(ModifyLdt);
    }

    private void RunCases()
    {
        Label wait = _a.CreateLabel();
        Label done = _a.CreateLabel();
        _a.Label(ref wait);
        _a.xor(edi, edi);
        _a.mov(rsi, Remaining);
        _a.mov(edx, 4);
        Call(Read);
        _a.mov(edi, 0);
        _a.cmp(eax, 4);
        _a.jne(_exit);
        _a.mov(rax, CaseLayout.Cases);
        _a.mov(__qword_ptr[Current], rax);

        _a.Label(ref _next);
        _a.dec(__dword_ptr[Remaining]);
        _a.js(done);
        LoadMemory();
        LoadRegisters();

        _a.Label(ref done);
        _a.mov(edi, 1);
        _a.mov(rsi, Remaining);
        _a.mov(edx, 4);
        Call(Write);
        _a.jmp(wait);

        _a.Label(ref _exit);
        _a.mov(eax, Exit);
        _a.syscall();
        _a.Label(ref _restorer);
        _a.mov(eax, SignalReturn);
        _a.syscall();
    }

    private void LoadMemory()
    {
        _a.mov(rdi, CaseLayout.Code);
        _a.mov(ecx, CaseLayout.PageSize / 8);
        _a.mov(rax, 0xCCCC_CCCC_CCCC_CCCC);
        _a.rep.stosq();
        _a.mov(rsi, __qword_ptr[Current]);
        _a.mov(rdi, __qword_ptr[rsi + Offset(nameof(ProcessorImage.CodeAddress))]);
        _a.mov(rcx, __qword_ptr[rsi + Offset(nameof(ProcessorImage.CodeLength))]);
        _a.add(rsi, Offset(nameof(ProcessorImage.Code)));
        _a.rep.movsb();
        _a.mov(rsi, __qword_ptr[Current]);
        _a.add(rsi, CaseSlot.MemoryOffset);
        _a.mov(rdi, CaseLayout.Data);
        _a.mov(ecx, CaseLayout.DataSize / 8);
        _a.rep.movsq();
    }

    private void LoadRegisters()
    {
        _a.mov(rsi, __qword_ptr[Current]);
        _a.fxrstor64(__[rsi + Offset(nameof(ProcessorImage.Fx))]);
        LoadUpperHalves();
        _a.mov(ds, __word_ptr[rsi + Offset(nameof(ProcessorImage.Ds))]);
        _a.mov(es, __word_ptr[rsi + Offset(nameof(ProcessorImage.Es))]);
        _a.mov(fs, __word_ptr[rsi + Offset(nameof(ProcessorImage.Fs))]);
        _a.mov(gs, __word_ptr[rsi + Offset(nameof(ProcessorImage.Gs))]);
        _a.mov(rax, __qword_ptr[rsi + Offset(nameof(ProcessorImage.FsBase))]);
        _a.wrfsbase(rax);
        _a.mov(rax, __qword_ptr[rsi + Offset(nameof(ProcessorImage.GsBase))]);
        _a.wrgsbase(rax);
        _a.mov(rsp, WorkStackEnd);
        _a.push(__qword_ptr[rsi + Offset(nameof(ProcessorImage.Ss))]);
        _a.push(__qword_ptr[rsi + (4 * 8)]);
        _a.push(__qword_ptr[rsi + Offset(nameof(ProcessorImage.Rflags))]);
        _a.push(__qword_ptr[rsi + Offset(nameof(ProcessorImage.Cs))]);
        _a.push(__qword_ptr[rsi + Offset(nameof(ProcessorImage.Rip))]);
        for (int n = 0; n < 16; n++)
        {
            if (n is not (4 or 6))
            {
                _a.mov(General[n], __qword_ptr[rsi + (n * 8)]);
            }
        }

        _a.mov(rsi, __qword_ptr[rsi + (6 * 8)]);
        _a.iretq();
    }

    private void LoadUpperHalves()
    {
        for (int n = 0; n < 16 && HostProcessor.HasAvx; n++)
        {
            AssemblerRegisterYMM register = new(Register.YMM0 + n);
            _a.vinsertf128(register, register, __xmmword_ptr[rsi + Offset(nameof(ProcessorImage.UpperHalves)) + (n * 16)], 1);
        }
    }

    // Never returns from the signal: the next case's IRET replaces what a return would restore.
    private void CollectResult()
    {
        _a.Label(ref _handler);
        _a.push(2);
        _a.popfq();
        _a.lea(rbx, __[rdx + MachineContext]);
        _a.mov(rdi, __qword_ptr[Current]);
        _a.add(rdi, CaseSlot.NativeOffset);
        for (int n = 0; n < 16; n++)
        {
            _a.mov(rax, __qword_ptr[rbx + (n * 8)]);
            _a.mov(__qword_ptr[rdi + (ContextOrder[n] * 8)], rax);
        }

        Save(nameof(ProcessorImage.Rip), 128);
        Save(nameof(ProcessorImage.Rflags), 136);
        Save(nameof(ProcessorImage.ErrorCode), 152);
        Save(nameof(ProcessorImage.Vector), 160);
        Save(nameof(ProcessorImage.Cr2), 176);
        _a.movzx(eax, __word_ptr[rbx + 144]);
        _a.mov(__qword_ptr[rdi + Offset(nameof(ProcessorImage.Cs))], rax);
        _a.movzx(eax, __word_ptr[rbx + 150]);
        _a.mov(__qword_ptr[rdi + Offset(nameof(ProcessorImage.Ss))], rax);
        SaveSegment(nameof(ProcessorImage.Ds), ds);
        SaveSegment(nameof(ProcessorImage.Es), es);
        SaveSegment(nameof(ProcessorImage.Fs), fs);
        SaveSegment(nameof(ProcessorImage.Gs), gs);
        _a.rdfsbase(rax);
        _a.mov(__qword_ptr[rdi + Offset(nameof(ProcessorImage.FsBase))], rax);
        _a.rdgsbase(rax);
        _a.mov(__qword_ptr[rdi + Offset(nameof(ProcessorImage.GsBase))], rax);
        _a.mov(rsi, __qword_ptr[rbx + FloatingPointState]);
        _a.add(rdi, Offset(nameof(ProcessorImage.Fx)));
        _a.mov(ecx, ProcessorImage.FxSize / 8);
        _a.rep.movsq();
        SaveUpperHalves();
        _a.mov(rdi, __qword_ptr[Current]);
        _a.add(rdi, CaseSlot.NativeMemoryOffset);
        _a.mov(rsi, CaseLayout.Data);
        _a.mov(ecx, CaseLayout.DataSize / 8);
        _a.rep.movsq();
        _a.add(__qword_ptr[Current], CaseSlot.SlotSize);
        _a.jmp(_next);
    }

    // RSI is at the header of the XSAVE area, whose AVX part is missing while it is in its initial state; RDI is where it goes.
    private void SaveUpperHalves()
    {
        if (!HostProcessor.HasAvx)
        {
            return;
        }

        Label initial = _a.CreateLabel();
        Label done = _a.CreateLabel();
        _a.test(__byte_ptr[rsi], AvxComponent);
        _a.jz(initial);
        _a.add(rsi, AvxOffset - ProcessorImage.FxSize);
        _a.mov(ecx, ProcessorImage.UpperHalvesSize / 8);
        _a.rep.movsq();
        _a.jmp(done);
        _a.Label(ref initial);
        _a.xor(eax, eax);
        _a.mov(ecx, ProcessorImage.UpperHalvesSize / 8);
        _a.rep.stosq();
        _a.Label(ref done);
        _a.nop();
    }

    private void SaveSegment(string field, AssemblerRegisterSegment segment)
    {
        _a.mov(eax, segment);
        _a.mov(__word_ptr[rdi + Offset(field)], ax);
    }

    private void Save(string field, int context)
    {
        _a.mov(rax, __qword_ptr[rbx + context]);
        _a.mov(__qword_ptr[rdi + Offset(field)], rax);
    }

    private static int Offset(string field) => (int)Marshal.OffsetOf<ProcessorImage>(field);
}
