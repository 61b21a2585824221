using System.Buffers.Binary;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Benchmarks.Peers;

/// <summary>
/// A boot sector that reads parts of the disk through INT 13h to anywhere in the first 4 GiB and enters Linux in real
/// mode. Above 1 MiB it copies with segments whose limits were raised in protected mode.
/// </summary>
internal static class BootSector
{
    /// <summary>Where the kernel's real-mode part goes.</summary>
    public const uint SetupAddress = 0x9_0000;

    private const ushort Origin = 0x7C00;
    private const ushort Packet = 0x0600;
    private const ushort BufferSegment = 0x1000;
    private const ushort SectorsAtOnce = 64;
    private const int Bytes = 512;
    private const ushort Signature = 0xAA55;

    /// <summary>A null descriptor and flat data, at the end of the sector.</summary>
    private const ushort DescriptorTable = 0x7DE0;
    private const ushort DescriptorTableRegister = DescriptorTable + 16;
    private const ulong FlatData = 0x00CF_9200_0000_FFFF;

    /// <summary>A part of the disk and where it goes.</summary>
    /// <param name="Sector">Its first sector.</param>
    /// <param name="Sectors">Its length.</param>
    /// <param name="Address">Its physical address.</param>
    public readonly record struct Part(uint Sector, uint Sectors, uint Address);

    /// <summary>The sector.</summary>
    public static byte[] Assemble(IEnumerable<Part> parts)
    {
        Assembler a = new(16);
        Label load = a.CreateLabel();
        a.cli();
        a.xor(ax, ax);
        a.mov(ds, ax);
        a.mov(es, ax);
        a.mov(ss, ax);
        a.mov(sp, Origin);
        a.@in(al, 0x92);
        a.or(al, 2); // address line 20 on
        a.@out(0x92, al);
        foreach (Part part in parts)
        {
            a.mov(ebx, part.Sector);
            a.mov(ebp, part.Sectors);
            a.mov(edi, part.Address);
            a.call(load);
        }

        a.mov(ax, (ushort)(SetupAddress >> 4));
        a.mov(ds, ax);
        a.mov(es, ax);
        a.mov(fs, ax);
        a.mov(gs, ax);
        a.mov(ss, ax);
        a.mov(sp, 0xE000);
        a.jmp((ushort)((SetupAddress >> 4) + 0x20), 0);

        Load(a, ref load);
        return Finish(a);
    }

    /// <summary>EBX: sector, EBP: how many, EDI: where to.</summary>
    private static void Load(Assembler a, ref Label load)
    {
        Label few = a.CreateLabel();
        Label failed = a.CreateLabel();
        Label done = a.CreateLabel();
        a.Label(ref load);
        a.test(ebp, ebp);
        a.jz(done);
        a.mov(ecx, ebp);
        a.cmp(ecx, SectorsAtOnce);
        a.jbe(few);
        a.mov(ecx, SectorsAtOnce);
        a.Label(ref few);
        a.mov(__word_ptr[Packet], 16);
        a.mov(__word_ptr[Packet + 2], cx);
        a.mov(__word_ptr[Packet + 4], 0);
        a.mov(__word_ptr[Packet + 6], BufferSegment);
        a.mov(__dword_ptr[Packet + 8], ebx);
        a.mov(__dword_ptr[Packet + 12], 0);
        a.pushad();
        a.mov(ah, 0x42); // extended read
        a.mov(dl, 0x80); // first disk
        a.mov(si, Packet);
        a.@int(0x13);
        a.jc(failed);
        a.popad();
        a.add(ebx, ecx);
        a.sub(ebp, ecx);
        RaiseLimits(a);
        a.shl(ecx, 7);
        a.mov(esi, BufferSegment << 4);
        a.db(0x67); // 32-bit addresses
        a.rep.movsd();
        a.jmp(load);
        a.Label(ref failed);
        a.hlt();
        a.jmp(failed);
        a.Label(ref done);
        a.ret();
    }

    private static void RaiseLimits(Assembler a)
    {
        a.cli();
        a.lgdt(__[DescriptorTableRegister]);
        a.mov(eax, cr0);
        a.or(al, 1);
        a.mov(cr0, eax);
        a.mov(dx, 8);
        a.mov(ds, dx);
        a.mov(es, dx);
        a.and(al, 0xFE);
        a.mov(cr0, eax);
        a.xor(dx, dx);
        a.mov(ds, dx);
        a.mov(es, dx);
    }

    private static byte[] Finish(Assembler a)
    {
        using MemoryStream code = new();
        a.Assemble(new StreamCodeWriter(code), Origin);
        byte[] sector = new byte[Bytes];
        if (code.Length > DescriptorTable - Origin)
        {
            throw new InvalidOperationException("The code of the boot sector does not fit.");
        }

        code.ToArray().CopyTo(sector, 0);
        BinaryPrimitives.WriteUInt64LittleEndian(sector.AsSpan(DescriptorTable - Origin + 8), FlatData);
        BinaryPrimitives.WriteUInt16LittleEndian(sector.AsSpan(DescriptorTableRegister - Origin), 15);
        BinaryPrimitives.WriteUInt32LittleEndian(sector.AsSpan(DescriptorTableRegister - Origin + 2), DescriptorTable);
        BinaryPrimitives.WriteUInt16LittleEndian(sector.AsSpan(Bytes - 2), Signature);
        return sector;
    }
}
