using System.Runtime.InteropServices;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Tests.Harness;

/// <summary>Builds paging structures of any kind in a machine's memory, from 0x11_0000 on.</summary>
internal sealed unsafe class PageTables(TestMachine machine)
{
    public const ulong Present = 1;
    public const ulong Writable = 2;
    public const ulong User = 4;
    public const ulong Accessed = 0x20;
    public const ulong Dirty = 0x40;
    public const ulong Large = 0x80;
    public const ulong Global = 0x100;
    public const ulong NoExecute = 1UL << 63;

    private ulong _next = 0x11_0000;

    /// <summary>A zeroed page for a table.</summary>
    public ulong Allocate()
    {
        ulong page = _next;
        _next += 0x1000;
        return page;
    }

    public ref ulong Entry(ulong table, ulong index) =>
        ref MemoryMarshal.Cast<byte, ulong>(machine.Memory.Bytes)[(int)(table / 8 + index)];

    public ref uint Entry32(ulong table, ulong index) =>
        ref MemoryMarshal.Cast<byte, uint>(machine.Memory.Bytes)[(int)(table / 4 + index)];

    /// <summary>
    /// Maps a page of 4-level paging of the size of a level (0: 4 KiB, 1: 2 MiB, 2: 1 GiB); the upper levels allow everything.
    /// Returns the physical address of the entry.
    /// </summary>
    public ulong Map(ulong linear, ulong physical, ulong flags, int level = 0) =>
        MapFrom(machine.State->Cr3 & ~0xFFFUL, 3, linear, physical, flags | Present, level, Present | Writable | User);

    /// <summary>Maps through EPT tables at <paramref name="root"/>; flags are those of the leaf, write-back memory type included.</summary>
    public ulong MapEpt(ulong root, ulong guestPhysical, ulong physical, ulong flags, int level = 0) =>
        MapFrom(root, 3, guestPhysical, physical, flags, level, 7);

    /// <summary>Maps a page of PAE paging from the page-directory-pointer entries in the state.</summary>
    public ulong MapPae(ulong linear, ulong physical, ulong flags, int level = 0)
    {
        ref ulong pointer = ref (&machine.State->Pdpte0)[linear >> 30];
        if ((pointer & Present) == 0)
        {
            pointer = Allocate() | Present;
        }

        return MapFrom(pointer & ~0xFFFUL, 1, linear, physical, flags | Present, level, Present | Writable | User);
    }

    private ulong MapFrom(ulong table, int top, ulong linear, ulong physical, ulong flags, int level, ulong upper)
    {
        for (int n = top; n > level; n--)
        {
            ulong index = linear >> (12 + 9 * n) & 511;
            ref ulong entry = ref Entry(table, index);
            if ((entry & 7) == 0 || (entry & Large) != 0)
            {
                entry = Allocate() | upper;
            }

            table = entry & 0x000F_FFFF_FFFF_F000;
        }

        ulong last = linear >> (12 + 9 * level) & 511;
        Entry(table, last) = physical | flags | (level > 0 ? Large : 0);
        return table + last * 8;
    }

    /// <summary>Puts a 32-bit machine into 32-bit paging with an empty directory; returns the directory.</summary>
    public ulong Use32Bit()
    {
        CpuState* s = machine.State;
        s->Cr3 = Allocate();
        s->Cr0 |= (ulong)(Cr0Bits.Pg | Cr0Bits.Wp);
        s->Cr4 |= (ulong)Cr4Bits.Pse;
        machine.Processor.StateLoaded();
        return s->Cr3;
    }

    /// <summary>Puts a 32-bit machine into PAE paging with absent page-directory-pointer entries.</summary>
    public void UsePae()
    {
        CpuState* s = machine.State;
        s->Cr3 = Allocate();
        s->Cr4 |= (ulong)Cr4Bits.Pae;
        s->Efer |= (ulong)EferBits.Nxe;
        s->Cr0 |= (ulong)(Cr0Bits.Pg | Cr0Bits.Wp);
        machine.Processor.StateLoaded();
    }
}
