using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Translate.Paging;

/// <summary>
/// The code that the window maps. Every page has its routines at the same offsets, and all pages share the one
/// instruction that crosses from each into the next, so that any page may stand in any slot beside any other. Twins differ
/// only in immediates, so that one may take the other's place in the middle of a routine.
/// </summary>
internal sealed class CodePages
{
    private readonly Random _random;
    private readonly RandomInstructions _instructions;
    private readonly List<int> _patches = [];
    private readonly byte[] _crossing;
    private readonly int _split;

    // Routines that most calls and most stores into code go to: code must be hot to be translated, and then be overwritten.
    private readonly int[] _favourites;
    private readonly int _immediate;

    public CodePages(Random random, RandomInstructions instructions)
    {
        _random = random;
        _instructions = instructions;
        (_crossing, _immediate) = ChooseCrossing();
        _split = random.Next(1, _crossing.Length);
        _favourites = [random.Next(PagedLayout.Routines), random.Next(PagedLayout.Routines), PagedLayout.Routines];
    }

    /// <summary>Offsets in any page whose bytes may be overwritten with anything.</summary>
    public IReadOnlyList<int> Patches => _patches;

    /// <summary>Fills the pages of code in the pool.</summary>
    public void Write(Span<byte> memory)
    {
        AddPatches();
        for (int page = 0; page < PagedLayout.LastPage + 2; page += 2)
        {
            Span<byte> code = memory.Slice((int)PagedLayout.Page(page), 0x1000);
            WritePage(code);
            Span<byte> twin = memory.Slice((int)PagedLayout.Page(page + 1), 0x1000);
            code.CopyTo(twin);
            foreach (int patch in _patches)
            {
                twin[patch] = (byte)_random.Next(256);
            }
        }
    }

    // The bytes, and where those begin that do not matter.
    private (byte[] Bytes, int Immediate) ChooseCrossing()
    {
        byte[] random = new byte[10];
        _random.NextBytes(random);
        byte[] place = BitConverter.GetBytes(PagedLayout.Slot(PagedLayout.DataSlot + _random.Next(PagedLayout.DataSlots - 1)) + (uint)_random.Next(0xFFD, 0x1000));
        return _random.Next(5) switch
        {
            0 => ([0x49, 0xBA, .. random[..8]], 2), // MOV R10, imm64
            1 => ([0x48, 0x81, 0xC3, .. random[..4]], 3), // ADD RBX, imm32
            2 => ([0x48, 0x8D, 0x83, .. random[..4]], 3), // LEA RAX, [RBX + disp32]
            3 => ([0x48, 0x8B, 0x04, 0x25, .. place], 8), // MOV RAX, [disp32]
            _ => ([0x48, 0x01, 0x04, 0x25, .. place], 8), // ADD [disp32], RAX
        };
    }

    private void AddPatches()
    {
        for (int n = _immediate; n < _crossing.Length; n++)
        {
            _patches.Add(n < _split ? 0x1000 - _split + n : n - _split);
        }

        for (int routine = 0; routine < PagedLayout.Routines; routine++)
        {
            for (int n = 1; n < 5; n++)
            {
                _patches.Add(PagedLayout.FirstRoutine + routine * PagedLayout.RoutineLength + n);
            }
        }
    }

    private void WritePage(Span<byte> page)
    {
        page.Fill(0x90);
        _crossing.AsSpan(_split).CopyTo(page);
        Place(page, _crossing.Length - _split, PagedLayout.FirstRoutine, (a, size) =>
        {
            _instructions.Write(a, size / 4);
            a.ret();
        });
        for (int routine = 0; routine < PagedLayout.Routines; routine++)
        {
            int start = PagedLayout.FirstRoutine + routine * PagedLayout.RoutineLength;
            Place(page, start, start + PagedLayout.RoutineLength, WriteRoutine);
        }

        Place(page, PagedLayout.Tail, 0x1000 - _split, (a, size) => _instructions.Write(a, size / 4));
        _crossing.AsSpan(0, _split).CopyTo(page[^_split..]);
    }

    // Smaller until it fits.
    private static void Place(Span<byte> page, int start, int end, Action<Assembler, int> write)
    {
        for (int size = 12; ; size--)
        {
            Assembler a = new(64);
            write(a, size);
            using MemoryStream stream = new();
            a.Assemble(new StreamCodeWriter(stream), (ulong)start);
            if (stream.Length <= end - start)
            {
                stream.ToArray().CopyTo(page[start..]);
                return;
            }
        }
    }

    private void WriteRoutine(Assembler a, int size)
    {
        a.mov(ecx, _random.Next());
        while (size-- > 0)
        {
            switch (_random.Next(9))
            {
                case 0:
                    _instructions.WriteForwardBranch(a);
                    break;
                case 1:
                    _instructions.WriteLoop(a);
                    break;
                case 2:
                    _instructions.WriteIndirectJump(a);
                    break;
                case 3:
                    WriteCall(a);
                    break;
                case 4:
                    a.mov(__byte_ptr[AnyPatch()], (sbyte)_random.Next(128));
                    break;
                case 5 when _random.Next(4) == 0:
                    WriteSwapOfOwnPage(a);
                    break;
                default:
                    _instructions.Write(a, 2);
                    break;
            }
        }

        a.ret();
    }

    // Three deep at most: the stack's top is at the end of a page.
    private void WriteCall(Assembler a)
    {
        Label over = a.CreateLabel();
        a.mov(edx, esp);
        a.and(edx, 0xFF);
        a.cmp(edx, 0xE8);
        a.jb(over);
        a.mov(eax, (int)AnyEntry());
        a.call(rax);
        a.Label(ref over);
        a.nop();
    }

    // As a kernel does that copies a page it runs from: the entry changes to the twin, then the translation goes.
    private static void WriteSwapOfOwnPage(Assembler a)
    {
        Label own = a.CreateLabel();
        Label kept = a.CreateLabel();
        a.Label(ref own);
        a.lea(rax, __[own]);
        a.mov(rbx, cr3);
        a.shr(rbx, 12);
        a.shl(rbx, 12);
        a.mov(rdx, rax);
        a.shr(edx, 12);
        a.and(edx, 0x3FF);
        a.lea(rbx, __[rbx + rdx * 8 + (int)PagedLayout.WindowTable]);
        a.test(__dword_ptr[rbx], 0x100); // global: the other address space has it too
        a.jne(kept);
        a.xor(__dword_ptr[rbx], 0x1000);
        a.invlpg(__[rax]);
        a.Label(ref kept);
        a.nop();
    }

    /// <summary>Linear address of a routine, or of a page's end; mostly there is one.</summary>
    public uint AnyEntry()
    {
        uint page = _random.Next(8) switch
        {
            < 4 => PagedLayout.Slot(PagedLayout.CodeSlot + _random.Next(PagedLayout.CodeSlots)),
            4 => PagedLayout.Slot(PagedLayout.AliasSlot + _random.Next(2)),
            5 => PagedLayout.Slot(PagedLayout.GlobalCodeSlot + _random.Next(2)),
            _ => PagedLayout.LargeArea + (uint)_random.Next(PagedLayout.CodePages) * 0x1000,
        };
        int routine = _random.Next(4) != 0 ? _favourites[_random.Next(_favourites.Length)] : _random.Next(PagedLayout.Routines);
        return page + (uint)(routine < PagedLayout.Routines ? PagedLayout.FirstRoutine + routine * PagedLayout.RoutineLength : PagedLayout.Tail);
    }

    /// <summary>Linear address of a byte of code that may be overwritten.</summary>
    public uint AnyPatch()
    {
        uint page = _random.Next(6) switch
        {
            < 2 => PagedLayout.Slot(PagedLayout.AliasSlot + _random.Next(2)),
            2 => PagedLayout.Slot(PagedLayout.CodeSlot + _random.Next(PagedLayout.CodeSlots)),
            3 => PagedLayout.Slot(PagedLayout.GlobalCodeSlot + _random.Next(2)),
            _ => PagedLayout.LargeArea + (uint)_random.Next(PagedLayout.CodePages) * 0x1000,
        };
        return page + (uint)(_random.Next(4) != 0
            ? PagedLayout.FirstRoutine + _favourites[_random.Next(2)] * PagedLayout.RoutineLength + _random.Next(1, 5)
            : _patches[_random.Next(_patches.Count)]);
    }
}
