using System.Runtime.InteropServices;
using Iced.Intel;
using Vmm.Engine.Software.Tests.Segmentation;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Translate.Paging;

/// <summary>
/// A random program that changes what its addresses mean: a loop of calls into the window, with both privileges, between
/// changes of page-table entries, address spaces and control registers. Whatever the processor may have cached of a
/// changed entry is invalidated, in one of the ways that do it.
/// </summary>
internal sealed class PagedProgram
{
    private readonly Random _random;
    private readonly RandomInstructions _instructions;
    private readonly CodePages _code;
    private readonly PagingOperations _paging;

    public PagedProgram(int seed)
    {
        _random = new Random(seed);
        _instructions = new RandomInstructions(_random, AnyData);
        _code = new CodePages(_random, _instructions);
        _paging = new PagingOperations(_random);
    }

    // Two pages of data beside each other.
    private long AnyData() => _random.Next(8) switch
    {
        < 5 => PagedLayout.Slot(PagedLayout.DataSlot + _random.Next(PagedLayout.DataSlots - 1)),
        5 => PagedLayout.Slot(PagedLayout.GlobalDataSlot),
        _ => PagedLayout.LargeArea + (uint)(PagedLayout.DataPage + _random.Next(PagedLayout.DataPages - 1)) * 0x1000,
    };

    /// <summary>Puts the program into a machine in 64-bit mode, ready to run.</summary>
    public unsafe void Load(ProtectedMachine machine)
    {
        _random.NextBytes(machine.Memory.Slice((int)PagedLayout.Page(PagedLayout.DataPage), PagedLayout.DataPages * 0x1000));
        _code.Write(machine.Memory);
        PagedKernel.Write(machine);
        _paging.WriteTables(MemoryMarshal.Cast<byte, ulong>(machine.Memory));
        machine.Fill(PagedLayout.Main, Write);
        machine.State->Cr3 = PagedLayout.Spaces[0];
        machine.State->Gpr.Rsp = PagedLayout.MainStack;
        machine.State->Rip = PagedLayout.Main;
        machine.Processor.StateLoaded();
    }

    private void Write(Assembler a)
    {
        Label again = a.CreateLabel();
        _instructions.FillRegisters(a);
        a.mov(__dword_ptr[PagedLayout.LoopCount], _random.Next(3, 8));
        a.Label(ref again);
        _paging.WriteStart(a);
        for (int n = _random.Next(10, 30); n > 0; n--)
        {
            WritePart(a);
        }

        a.dec(__dword_ptr[PagedLayout.LoopCount]);
        a.jne(again);
        a.wbinvd();
        a.hlt();
    }

    private void WritePart(Assembler a)
    {
        switch (_random.Next(8))
        {
            case 0:
                WriteGuarded(a, () => _instructions.Write(a, _random.Next(1, 8)));
                break;
            case 1:
                WriteGuarded(a, () => a.mov(__byte_ptr[_code.AnyPatch()], (sbyte)_random.Next(128)));
                break;
            case < 4:
                WriteGuarded(a, () => WriteCalls(a));
                break;
            case < 6:
                WriteGuarded(a, () => WriteUserCall(a));
                break;
            default:
                _paging.Write(a);
                break;
        }
    }

    // What faults for good ends behind it.
    private static void WriteGuarded(Assembler a, Action write)
    {
        Label end = a.CreateLabel();
        a.lea(rax, __[end]);
        a.mov(__qword_ptr[PagedLayout.SavedReturn], rax);
        a.mov(__qword_ptr[PagedLayout.SavedStack], rsp);
        write();
        a.Label(ref end);
        a.nop();
    }

    // One place, again and again, and perhaps a store into it between.
    private void WriteCalls(Assembler a)
    {
        Label again = a.CreateLabel();
        uint entry = _code.AnyEntry();
        a.mov(__dword_ptr[PagedLayout.CallCount], _random.Next(3) == 0 ? _random.Next(2, 12) : 1);
        a.Label(ref again);
        a.mov(eax, (int)entry);
        a.call(rax);
        if (_random.Next(3) == 0)
        {
            a.mov(__byte_ptr[_code.AnyPatch()], al);
        }

        a.dec(__dword_ptr[PagedLayout.CallCount]);
        a.jne(again);
    }

    private void WriteUserCall(Assembler a)
    {
        a.mov(__qword_ptr[PagedLayout.Page(PagedLayout.UserStackPage) + 0xFF8], (int)PagedLayout.Slot(PagedLayout.StubSlot));
        a.push((int)ProtectedMachine.UserData);
        a.push((int)PagedLayout.Slot(PagedLayout.StackSlot) + 0xFF8);
        a.push(_random.Next(8) == 0 ? 0x4_0002 : 2); // AC
        a.push((int)ProtectedMachine.UserCodeSelector);
        a.push((int)_code.AnyEntry());
        a.iretq();
    }
}
