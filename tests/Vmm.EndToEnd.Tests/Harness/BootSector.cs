using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.EndToEnd.Tests.Harness;

/// <summary>Disks that a BIOS boots: a boot sector made of assembled 16-bit code at 0000:7C00.</summary>
internal static class BootSector
{
    private const ulong LoadAddress = 0x7C00;
    private const int Bytes = 512;

    /// <summary>Assembles the code and gives a disk that begins with it.</summary>
    public static byte[] CreateDisk(Action<Assembler> code, int length = 1 << 20)
    {
        Assembler assembler = new(16);
        assembler.xor(ax, ax);
        assembler.mov(ds, ax);
        assembler.mov(es, ax);
        code(assembler);
        using MemoryStream sector = new();
        assembler.Assemble(new StreamCodeWriter(sector), LoadAddress);
        Assert.InRange(sector.Length, 1, 440); // the partition table is behind

        byte[] disk = new byte[length];
        sector.ToArray().CopyTo(disk, 0);
        disk[Bytes - 2] = 0x55;
        disk[Bytes - 1] = 0xAA;
        return disk;
    }

    /// <summary>Prints by the BIOS's teletype service.</summary>
    public static void Print(this Assembler a, string text)
    {
        foreach (char character in text)
        {
            a.mov(ax, (ushort)(0x0E00 | character));
            a.mov(bx, 7);
            a.@int(0x10);
        }
    }

    /// <summary>Sends by the BIOS's service for serial ports.</summary>
    public static void SendByBios(this Assembler a, string text)
    {
        foreach (char character in text)
        {
            a.mov(ax, (ushort)(0x0100 | character));
            a.xor(dx, dx);
            a.@int(0x14);
        }
    }

    /// <summary>Waits until the BIOS's timer has ticked, which also brings out what its console holds back.</summary>
    public static void WaitTicks(this Assembler a, byte ticks)
    {
        Label wait = a.CreateLabel();
        a.sti();
        a.mov(bx, __word_ptr[0x46C]);
        a.add(bx, ticks);
        a.Label(ref wait);
        a.hlt();
        a.mov(ax, __word_ptr[0x46C]);
        a.sub(ax, bx);
        a.js(wait);
    }

    /// <summary>Gives ES a base of 0 and a limit of 4 GiB, and returns to real mode.</summary>
    public static void LoadFlatEs(this Assembler a)
    {
        const int table = 0x600, pointer = 0x5F0, selector = 8;
        a.cli();
        a.mov(di, pointer);
        a.mov(__word_ptr[di], selector + 7);
        a.mov(__dword_ptr[di + 2], table);
        a.mov(__dword_ptr[di + table - pointer + selector], 0x0000_FFFF);
        a.mov(__dword_ptr[di + table - pointer + selector + 4], 0x00CF_9300);
        a.lgdt(__fword_ptr[di]);
        a.mov(eax, cr0);
        a.or(al, 1);
        a.mov(cr0, eax);
        a.mov(bx, selector);
        a.mov(es, bx);
        a.and(al, 0xFE);
        a.mov(cr0, eax);
        a.sti();
    }
}
