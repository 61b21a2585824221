using Iced.Intel;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Translate.Paging;

/// <summary>
/// Changes of paging structures and of the registers that say how they are used, and what the SDM (Vol. 3A 4.10.4) asks
/// for after each. Knows at each point of the program which address space is current and what the other has to be told.
/// </summary>
internal sealed class PagingOperations
{
    private const ulong Present = 1;
    private const ulong Writable = 2;
    private const ulong User = 4;
    private const ulong Accessed = 0x20;
    private const ulong Dirty = 0x40;
    private const ulong Large = 0x80;
    private const ulong Global = 0x100;
    private const ulong NoExecute = 1UL << 63;
    private const ulong NoFlush = 1UL << 63;
    private const int Slots = 1024;

    // Offsets of the entries that lead to the window's tables.
    private static readonly uint[] Directories = [0x1008, PagedLayout.WindowDirectory, PagedLayout.WindowDirectory + 8];

    private readonly Random _random;
    private readonly bool _usesPcids;
    private readonly uint _smep;
    private int _space;
    private uint _cr4;
    private bool _otherMustBeFlushed;

    public PagingOperations(Random random)
    {
        _random = random;
        _usesPcids = random.Next(3) != 0;
        _smep = random.Next(4) == 0 ? (uint)(Cr4Bits.Smep | Cr4Bits.Smap) : 0;
    }

    private bool UsesGlobal => (_cr4 & (uint)Cr4Bits.Pge) != 0;

    /// <summary>The tables of both spaces as the program begins: most pages are there.</summary>
    public void WriteTables(Span<ulong> memory)
    {
        foreach (uint space in PagedLayout.Spaces)
        {
            Span<ulong> tables = memory.Slice((int)(space / 8), (int)(PagedLayout.TablesLength / 8));
            const ulong All = Present | Writable | User;

            // What leads to global pages is marked already: whether a walk for one comes in this space or the other is up to the processor.
            const ulong Kernel = Present | Writable | Large | Global | Accessed | Dirty;
            tables[0] = (space + 0x1000) | All | Accessed;
            tables[512] = (space + PagedLayout.KernelDirectory) | All | Accessed;
            tables[513] = (space + PagedLayout.WindowDirectory) | All | Accessed;
            tables[1024] = Kernel;
            tables[1025] = PagedLayout.Pool | Kernel;
            tables[1536] = (space + PagedLayout.WindowTable) | All | Accessed;
            tables[1537] = (space + PagedLayout.WindowTable + 0x1000) | All;
            for (int slot = 0; slot < Slots; slot++)
            {
                // Those of global slots must not differ between the spaces.
                tables[2048 + slot] = IsGlobal(slot) && space != PagedLayout.Spaces[0]
                    ? memory[(int)(PagedLayout.Spaces[0] / 8) + 2048 + slot]
                    : Entry(slot);
            }
        }
    }

    /// <summary>The one known state that each pass of the program's loop begins with.</summary>
    public void WriteStart(Assembler a)
    {
        _space = 0;
        _otherMustBeFlushed = false;
        foreach (uint space in PagedLayout.Spaces)
        {
            foreach (uint offset in Directories)
            {
                a.or(__dword_ptr[space + offset], (int)(Present | Writable | User));
            }
        }

        const uint Cr4 = (uint)(Cr4Bits.Pae | Cr4Bits.Osfxsr | Cr4Bits.Osxmmexcpt | Cr4Bits.Fsgsbase);
        _cr4 = Cr4;
        WriteCr4(a);
        a.mov(eax, (int)PagedLayout.Spaces[0]);
        a.mov(cr3, rax);
        _cr4 |= (uint)Cr4Bits.Pge | _smep | (_usesPcids ? (uint)Cr4Bits.Pcide : 0);
        WriteCr4(a);
        if (_usesPcids)
        {
            WriteSwitch(a, 0, keep: false);
        }
    }

    /// <summary>One change or another.</summary>
    public void Write(Assembler a)
    {
        switch (_random.Next(14))
        {
            case < 5:
                ChangeEntry(a);
                break;
            case < 7:
                ClearBits(a);
                break;
            case 7:
                ChangeDirectory(a);
                break;
            case 8 or 9:
                Switch(a);
                break;
            case 10:
                ChangeCr4(a);
                break;
            case 11:
                ChangeCr0(a);
                break;
            case 12:
                ChangeLargeArea(a);
                break;
            default:
                Invalidate(a, _space, AnySlotAddress(), global: false, whole: false);
                break;
        }
    }

    private static bool IsGlobal(int slot) => slot is PagedLayout.GlobalDataSlot or PagedLayout.GlobalDataSlot + 1
        or PagedLayout.GlobalCodeSlot or PagedLayout.GlobalCodeSlot + 1;

    private static bool IsFixed(int slot) => slot is PagedLayout.StubSlot or PagedLayout.StackSlot || AnyPageFor(slot, new Random(0)) < 0;

    // The page of the pool that a slot may show; -1: none.
    private static int AnyPageFor(int slot, Random random)
    {
        int inLarge = slot - 512;
        return slot switch
        {
            PagedLayout.StubSlot => PagedLayout.UserStubPage,
            PagedLayout.StackSlot => PagedLayout.UserStackPage,
            >= PagedLayout.CodeSlot and < PagedLayout.CodeSlot + PagedLayout.CodeSlots => random.Next(PagedLayout.CodePages),
            >= PagedLayout.DataSlot and < PagedLayout.DataSlot + PagedLayout.DataSlots => PagedLayout.DataPage + random.Next(PagedLayout.DataPages),
            PagedLayout.AliasSlot or PagedLayout.AliasSlot + 1 => random.Next(PagedLayout.CodePages),
            PagedLayout.GlobalDataSlot or PagedLayout.GlobalDataSlot + 1 => PagedLayout.DataPage + random.Next(PagedLayout.DataPages),
            PagedLayout.GlobalCodeSlot or PagedLayout.GlobalCodeSlot + 1 => random.Next(PagedLayout.CodePages),
            < 512 => -1,
            _ => inLarge switch
            {
                < PagedLayout.CodePages => random.Next(PagedLayout.CodePages),
                < PagedLayout.DataPage => PagedLayout.LastPage + random.Next(2),
                < PagedLayout.DataPage + PagedLayout.DataPages => PagedLayout.DataPage + random.Next(PagedLayout.DataPages),
                _ => -1,
            },
        };
    }

    private ulong Entry(int slot)
    {
        int page = AnyPageFor(slot, _random);
        if (page < 0)
        {
            return 0;
        }

        ulong entry = PagedLayout.Page(page) | Present | Writable | User;
        if (IsFixed(slot))
        {
            return entry;
        }

        entry |= IsGlobal(slot) ? Global | Accessed | Dirty : 0;
        entry ^= _random.Next(5) == 0 ? Present : 0;
        entry ^= _random.Next(4) == 0 ? Writable : 0;
        entry ^= _random.Next(_smep != 0 ? 2 : 4) == 0 ? User : 0;
        entry ^= _random.Next(6) == 0 ? NoExecute : 0;
        entry ^= _random.Next(20) == 0 ? PagedLayout.Reserved : 0;
        entry |= _random.Next(3) == 0 ? Accessed : 0;
        entry |= _random.Next(3) == 0 ? Accessed | Dirty : 0;
        return entry | (IsGlobal(slot) ? (ulong)_random.Next(2) * PagedLayout.Repair : AnyAction());
    }

    private ulong AnyAction() => (ulong)_random.Next(8) * PagedLayout.Repair;

    private int AnySlot()
    {
        int slot;
        do
        {
            slot = _random.Next(3) == 0 ? 512 + _random.Next(PagedLayout.DataPage + PagedLayout.DataPages) : _random.Next(PagedLayout.GlobalCodeSlot + 2);
        }
        while (IsFixed(slot));
        return slot;
    }

    private uint AnySlotAddress() => PagedLayout.Slot(AnySlot());

    private static uint EntryAddress(int space, int slot) => PagedLayout.Spaces[space] + PagedLayout.WindowTable + (uint)slot * 8;

    private void ChangeEntry(Assembler a)
    {
        int slot = AnySlot();
        ulong entry = Entry(slot);
        int space = _random.Next(4) == 0 ? 1 - _space : _space;
        a.mov(rax, entry);
        a.mov(__qword_ptr[EntryAddress(space, slot)], rax);
        if (IsGlobal(slot))
        {
            a.mov(__qword_ptr[EntryAddress(1 - space, slot)], rax);
        }

        Invalidate(a, space, PagedLayout.Slot(slot), IsGlobal(slot), whole: false);
    }

    private void ClearBits(Assembler a)
    {
        int slot;
        do
        {
            slot = AnySlot();
        }
        while (IsGlobal(slot));

        int bits = (int)(_random.Next(3) switch { 0 => Accessed, 1 => Dirty, _ => Accessed | Dirty });
        a.and(__dword_ptr[EntryAddress(_space, slot)], ~bits);
        Invalidate(a, _space, PagedLayout.Slot(slot), global: false, whole: false);
    }

    // Rights of the entries that lead to the window's tables, in both spaces; accessed bits where they lead to no global page.
    private void ChangeDirectory(Assembler a)
    {
        uint offset = Directories[_random.Next(Directories.Length)];
        bool marks = offset == PagedLayout.WindowDirectory + 8;
        int bit = (int)(_random.Next(marks ? 8 : 5) switch { 0 => Present, < 3 => Writable, < 5 => User, _ => Accessed });
        bool clears = bit == (int)Accessed || _random.Next(2) == 0;
        foreach (uint space in PagedLayout.Spaces)
        {
            if (clears)
            {
                a.and(__dword_ptr[space + offset], ~bit);
            }
            else
            {
                a.or(__dword_ptr[space + offset], (int)(Present | Writable | User));
            }
        }

        Invalidate(a, _space, PagedLayout.Window, global: true, whole: true);
    }

    private void ChangeLargeArea(Assembler a)
    {
        uint space = PagedLayout.Spaces[_space];
        ulong entry = (space + PagedLayout.WindowTable + 0x1000) | Present | Writable | User;
        if (_random.Next(3) != 0)
        {
            entry = PagedLayout.Pool | Present | Large;
            entry |= _random.Next(3) != 0 ? Writable : 0;
            entry |= _random.Next(3) != 0 ? User : 0;
            entry |= _random.Next(8) == 0 ? NoExecute : 0;
        }

        a.mov(rax, entry);
        a.mov(__qword_ptr[space + PagedLayout.WindowDirectory + 8], rax);
        Invalidate(a, _space, PagedLayout.LargeArea, global: false, whole: true);
    }

    private void Switch(Assembler a)
    {
        int space = _random.Next(4) == 0 ? _space : 1 - _space;
        bool keep = _usesPcids && _random.Next(2) == 0 && !(space != _space && _otherMustBeFlushed);
        if (space != _space)
        {
            _otherMustBeFlushed = false;
        }

        WriteSwitch(a, space, keep);
    }

    private void WriteSwitch(Assembler a, int space, bool keep)
    {
        _space = space;
        a.mov(rax, (PagedLayout.Spaces[space] + (_usesPcids ? (uint)Pcid(space) : 0)) | (keep ? NoFlush : 0));
        a.mov(cr3, rax);
    }

    private static int Pcid(int space) => space + 1;

    private void ChangeCr4(Assembler a)
    {
        _cr4 ^= _random.Next(3) switch
        {
            0 => (uint)Cr4Bits.Pge,
            1 => (uint)Cr4Bits.Smep,
            _ => (uint)Cr4Bits.Smap,
        };
        WriteCr4(a);
    }

    private void WriteCr4(Assembler a)
    {
        a.mov(eax, (int)_cr4);
        a.mov(cr4, rax);
    }

    private void ChangeCr0(Assembler a)
    {
        switch (_random.Next(4))
        {
            case 0:
                a.stac();
                break;
            case 1:
                a.clac();
                break;
            default:
                a.mov(rax, cr0);
                a.xor(eax, _random.Next(3) == 0 ? (int)Cr0Bits.Am : (int)Cr0Bits.Wp);
                a.mov(cr0, rax);
                break;
        }
    }

    // One of the ways that drop what the entry of an address may have left, in a space; all that it may have left if whole.
    private void Invalidate(Assembler a, int space, uint linear, bool global, bool whole)
    {
        if (space != _space && !global && (!_usesPcids || _random.Next(3) == 0))
        {
            // Its translations go when it becomes current.
            _otherMustBeFlushed = true;
            return;
        }

        bool one = !whole && space == _space && (!global || UsesGlobal || !_usesPcids);
        switch (_random.Next(8))
        {
            case < 3 when one:
                a.invlpg(__[linear]);
                break;
            case 3 when _usesPcids && !whole && !global:
                WriteInvpcid(a, 0, Pcid(space), linear);
                break;
            case 4 when _usesPcids && !global:
                WriteInvpcid(a, 1, Pcid(space), 0);
                break;
            case 5 when !global:
                WriteInvpcid(a, 3, 0, 0);
                break;
            case 6 when space == _space && !global:
                WriteSwitch(a, _space, keep: false);
                break;
            case 7:
                _cr4 ^= (uint)Cr4Bits.Pge;
                WriteCr4(a);
                _cr4 ^= (uint)Cr4Bits.Pge;
                WriteCr4(a);
                break;
            default:
                WriteInvpcid(a, 2, 0, 0);
                break;
        }
    }

    private static void WriteInvpcid(Assembler a, int type, int pcid, uint linear)
    {
        a.mov(__qword_ptr[PagedLayout.InvpcidDescriptor], pcid);
        a.mov(__qword_ptr[PagedLayout.InvpcidDescriptor + 8], (int)linear);
        a.mov(eax, type);
        a.invpcid(rax, __xmmword_ptr[PagedLayout.InvpcidDescriptor]);
    }
}
