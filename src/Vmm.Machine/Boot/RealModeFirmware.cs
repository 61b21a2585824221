using System.Buffers.Binary;
using Vmm.Machine.Boards;

namespace Vmm.Machine.Boot;

/// <summary>
/// The firmware services that 16-bit code of kernels cannot do without: the memory map (INT 15h, E820h, E801h, 88h;
/// ACPI 6.5 15.1), the size of base memory in the BIOS data area, and "no" to everything else, with the carry flag set,
/// instead of a jump to nowhere. Stands at F000:0000; its data follow at fixed offsets.
/// </summary>
internal static class RealModeFirmware
{
    private const ushort Segment = 0xF000;
    private const ulong Address = Segment << 4;
    private const ushort NoService = 0x00;
    private const ushort SystemServices = 0x10;
    private const int MapCount = 0xF8;
    private const int ExtendedKilobytes = 0xFA;
    private const int KilobytesTo16M = 0xFC;
    private const int BlocksAbove16M = 0xFE;
    private const int Map = 0x100;

    /// <summary>Kilobytes below 640 KiB that are RAM: word 413h of the BIOS data area. Kernels put code below their end.</summary>
    private const ulong BaseMemory = 0x413;
    private const int MapEntryBytes = 20;

    private static ReadOnlySpan<byte> NoServiceCode =>
    [
        0x55, // 00: push bp
        0x89, 0xE5, // 01: mov bp,sp
        0x80, 0x4E, 0x06, 0x01, // 03: or byte [bp+0x6],0x1
        0x5D, // 07: pop bp
        0xCF, // 08: iret
    ];

    private static ReadOnlySpan<byte> SystemServicesCode =>
    [
        0x3D, 0x20, 0xE8, // 10: cmp ax,0xe820
        0x74, 0x2F, // 13: jz 0x44
        0x3D, 0x01, 0xE8, // 15: cmp ax,0xe801
        0x74, 0x14, // 18: jz 0x2e
        0x80, 0xFC, 0x88, // 1A: cmp ah,0x88
        0x74, 0x09, // 1D: jz 0x28
        0x3D, 0x01, 0x24, // 1F: cmp ax,0x2401
        0x74, 0x17, // 22: jz 0x3b
        0xB4, 0x86, // 24: mov ah,0x86
        0xEB, 0xD8, // 26: jmp short 0x0
        0x2E, 0xA1, 0xFA, 0x00, // 28: mov ax,[cs:0xfa]
        0xEB, 0x0D, // 2C: jmp short 0x3b
        0x2E, 0xA1, 0xFC, 0x00, // 2E: mov ax,[cs:0xfc]
        0x2E, 0x8B, 0x1E, 0xFE, 0x00, // 32: mov bx,[cs:0xfe]
        0x89, 0xC1, // 37: mov cx,ax
        0x89, 0xDA, // 39: mov dx,bx
        0x55, // 3B: push bp
        0x89, 0xE5, // 3C: mov bp,sp
        0x80, 0x66, 0x06, 0xFE, // 3E: and byte [bp+0x6],0xfe
        0x5D, // 42: pop bp
        0xCF, // 43: iret
        0x66, 0x81, 0xFA, 0x50, 0x41, 0x4D, 0x53, // 44: cmp edx,0x534d4150
        0x75, 0xB3, // 4B: jnz 0x0
        0x66, 0x83, 0xF9, 0x14, // 4D: cmp ecx,byte +0x14
        0x72, 0xAD, // 51: jc 0x0
        0x2E, 0x3B, 0x1E, 0xF8, 0x00, // 53: cmp bx,[cs:0xf8]
        0x73, 0xA6, // 58: jnc 0x0
        0x1E, // 5A: push ds
        0x56, // 5B: push si
        0x57, // 5C: push di
        0x0E, // 5D: push cs
        0x1F, // 5E: pop ds
        0x6B, 0xF3, 0x14, // 5F: imul si,bx,byte +0x14
        0x81, 0xC6, 0x00, 0x01, // 62: add si,0x100
        0xB9, 0x0A, 0x00, // 66: mov cx,0xa
        0xFC, // 69: cld
        0xF3, 0xA5, // 6A: rep movsw
        0x5F, // 6C: pop di
        0x5E, // 6D: pop si
        0x1F, // 6E: pop ds
        0x66, 0x89, 0xD0, // 6F: mov eax,edx
        0x66, 0xB9, 0x14, 0x00, 0x00, 0x00, // 72: mov ecx,0x14
        0x43, // 78: inc bx
        0x66, 0x0F, 0xB7, 0xDB, // 79: movzx ebx,bx
        0x2E, 0x3B, 0x1E, 0xF8, 0x00, // 7D: cmp bx,[cs:0xf8]
        0x72, 0xB7, // 82: jc 0x3b
        0x66, 0x31, 0xDB, // 84: xor ebx,ebx
        0xEB, 0xB2, // 87: jmp short 0x3b
    ];

    /// <summary>Writes code, data and the interrupt vectors that lead to it.</summary>
    public static void Write(BootMemory guest, MemoryLayout memory)
    {
        byte[] area = new byte[Map + memory.Map.Count * MapEntryBytes];
        NoServiceCode.CopyTo(area.AsSpan(NoService));
        SystemServicesCode.CopyTo(area.AsSpan(SystemServices));

        ulong above1M = (memory.LowMemoryBytes - MemoryLayout.FirmwareAreaEnd) >> 10;
        const ulong to16M = 15 * 1024;
        Word(area, MapCount, memory.Map.Count);
        Word(area, ExtendedKilobytes, (long)Math.Min(above1M, 0xFFFF));
        Word(area, KilobytesTo16M, (long)Math.Min(above1M, to16M));
        Word(area, BlocksAbove16M, above1M > to16M ? (long)((above1M - to16M) / 64) : 0);
        for (int i = 0; i < memory.Map.Count; i++)
        {
            Span<byte> entry = area.AsSpan(Map + i * MapEntryBytes, MapEntryBytes);
            BinaryPrimitives.WriteUInt64LittleEndian(entry, memory.Map[i].Address);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], memory.Map[i].Length);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[16..], (uint)memory.Map[i].Type);
        }

        guest.Write("real-mode services", Address, area);
        byte[] vectors = new byte[256 * 4];
        for (int vector = 0; vector < 256; vector++)
        {
            Word(vectors, vector * 4, vector == 0x15 ? SystemServices : NoService);
            Word(vectors, vector * 4 + 2, Segment);
        }

        guest.Write("real-mode interrupt vectors", 0, vectors);
        byte[] baseMemory = new byte[2];
        Word(baseMemory, 0, (long)(MemoryLayout.VideoWindowStart >> 10));
        guest.Write("size of base memory", BaseMemory, baseMemory);
    }

    private static void Word(byte[] bytes, int offset, long value) =>
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(offset), (ushort)value);
}
