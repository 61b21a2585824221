using System.Buffers.Binary;

namespace Vmm.Machine.Tests.Boot;

/// <summary>Kernel images made by hand, as small as their formats allow.</summary>
internal static class KernelImages
{
    /// <summary>A bzImage of protocol 2.15 with one setup sector and <paramref name="kernelBytes"/> bytes of kernel.</summary>
    public static byte[] LinuxImage(int kernelBytes = 4096, ushort version = 0x20F, ushort loadFlags64 = 1,
        uint initialBytes = 0x10_0000, ulong preferred = 0x100_0000, uint highestInitrd = 0x7FFF_FFFF)
    {
        const int setupBytes = 1024;
        byte[] image = new byte[setupBytes + kernelBytes];
        image.AsSpan(setupBytes).Fill(0x90);
        image[0x1F1] = 1;
        Double(image, 0x1F4, (uint)(kernelBytes / 16));
        Word(image, 0x1FE, 0xAA55);
        image[0x200] = 0xEB;
        image[0x201] = 0x66;
        "HdrS"u8.CopyTo(image.AsSpan(0x202));
        Word(image, 0x206, version);
        image[0x211] = 1;
        Double(image, 0x22C, highestInitrd);
        Double(image, 0x230, 0x20_0000);
        image[0x234] = 1;
        Word(image, 0x236, loadFlags64);
        Double(image, 0x238, 2047);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(0x258), preferred);
        Double(image, 0x260, initialBytes);
        return image;
    }

    /// <summary>An ELF executable with one segment at <paramref name="address"/>: its content, then as many zeros.</summary>
    public static byte[] Elf(bool is64Bit, ulong address, ReadOnlySpan<byte> content, ulong entry, ReadOnlySpan<byte> notes = default)
    {
        int headerBytes = is64Bit ? 64 : 52;
        int programBytes = is64Bit ? 56 : 32;
        int start = headerBytes + 2 * programBytes;
        byte[] image = new byte[start + content.Length + notes.Length];
        new byte[] { 0x7F, (byte)'E', (byte)'L', (byte)'F', (byte)(is64Bit ? 2 : 1), 1, 1 }.CopyTo(image.AsSpan());
        Word(image, 16, 2);
        Word(image, 18, is64Bit ? (ushort)62 : (ushort)3);
        content.CopyTo(image.AsSpan(start));
        notes.CopyTo(image.AsSpan(start + content.Length));
        int noteStart = start + content.Length;
        if (is64Bit)
        {
            Quad(image, 24, entry);
            Quad(image, 32, (ulong)headerBytes);
            Word(image, 54, (ushort)programBytes);
            Word(image, 56, (ushort)(notes.IsEmpty ? 1 : 2));
            Program64(image, headerBytes, 1, start, address, content.Length, content.Length * 2);
            Program64(image, headerBytes + programBytes, 4, noteStart, 0, notes.Length, notes.Length);
        }
        else
        {
            Double(image, 24, (uint)entry);
            Double(image, 28, (uint)headerBytes);
            Word(image, 42, (ushort)programBytes);
            Word(image, 44, (ushort)(notes.IsEmpty ? 1 : 2));
            Program32(image, headerBytes, 1, start, address, content.Length, content.Length * 2);
            Program32(image, headerBytes + programBytes, 4, noteStart, 0, notes.Length, notes.Length);
        }

        return image;
    }

    /// <summary>A Multiboot header with the given flags; with address fields when there are any.</summary>
    public static byte[] MultibootHeader(uint flags, params ReadOnlySpan<uint> addresses)
    {
        byte[] header = new byte[12 + addresses.Length * 4];
        Double(header, 0, 0x1BAD_B002);
        Double(header, 4, flags);
        Double(header, 8, unchecked(0u - 0x1BAD_B002 - flags));
        for (int i = 0; i < addresses.Length; i++)
        {
            Double(header, 12 + i * 4, addresses[i]);
        }

        return header;
    }

    /// <summary>The note that names the PVH entry point.</summary>
    public static byte[] PvhNote(uint entry)
    {
        byte[] note = new byte[20];
        Double(note, 0, 4);
        Double(note, 4, 4);
        Double(note, 8, 18);
        "Xen\0"u8.CopyTo(note.AsSpan(12));
        Double(note, 16, entry);
        return note;
    }

    private static void Program64(byte[] image, int at, uint type, int offset, ulong address, int fileBytes, int memoryBytes)
    {
        Double(image, at, type);
        Quad(image, at + 8, (ulong)offset);
        Quad(image, at + 16, 0xFFFF_FFFF_8000_0000 + address);
        Quad(image, at + 24, address);
        Quad(image, at + 32, (ulong)fileBytes);
        Quad(image, at + 40, (ulong)memoryBytes);
    }

    private static void Program32(byte[] image, int at, uint type, int offset, ulong address, int fileBytes, int memoryBytes)
    {
        Double(image, at, type);
        Double(image, at + 4, (uint)offset);
        Double(image, at + 8, (uint)(0xC000_0000 + address));
        Double(image, at + 12, (uint)address);
        Double(image, at + 16, (uint)fileBytes);
        Double(image, at + 20, (uint)memoryBytes);
    }

    private static void Word(byte[] bytes, int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(offset), value);

    private static void Double(byte[] bytes, int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(offset), value);

    private static void Quad(byte[] bytes, int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(offset), value);
}
