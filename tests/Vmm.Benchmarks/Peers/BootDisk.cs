using System.Buffers.Binary;
using System.Text;

namespace Vmm.Benchmarks.Peers;

/// <summary>
/// A disk that a PC BIOS boots Linux from: a boot sector of ours, then what it loads. The layout in memory is that of
/// the boot protocol's real-mode entry (Documentation/arch/x86/boot.rst, "Memory Layout").
/// </summary>
internal static class BootDisk
{
    public const int Heads = 16;
    public const int SectorsPerTrack = 63;

    private const int Sector = 512;
    private const uint CommandLineOffset = 0xE000;
    private const uint KernelAddress = 0x10_0000;
    private const uint InitrdAddress = 0x800_0000;

    /// <summary>Writes the disk.</summary>
    /// <returns>Its length in sectors, whole cylinders.</returns>
    public static long Write(string path, LinuxGuest guest)
    {
        byte[] image = File.ReadAllBytes(guest.Kernel);
        byte[] initrd = File.ReadAllBytes(guest.Initrd);
        int setupBytes = ((image[0x1F1] is 0 ? 4 : image[0x1F1]) + 1) * Sector;
        byte[] setup = Setup(image.AsSpan(0, setupBytes), guest.CommandLine, (uint)initrd.Length);
        (byte[] Content, uint Address)[] parts = [(setup, BootSector.SetupAddress), (image[setupBytes..], KernelAddress), (initrd, InitrdAddress)];

        using FileStream disk = File.Create(path);
        List<BootSector.Part> directory = [];
        long sector = 1;
        foreach ((byte[] content, uint address) in parts)
        {
            int sectors = (content.Length + Sector - 1) / Sector;
            directory.Add(new BootSector.Part((uint)sector, (uint)sectors, address));
            disk.Position = sector * Sector;
            disk.Write(content);
            sector += sectors;
        }

        const int cylinder = Heads * SectorsPerTrack;
        long total = (sector + cylinder - 1) / cylinder * cylinder;
        disk.SetLength(total * Sector);
        disk.Position = 0;
        disk.Write(BootSector.Assemble(directory));
        return total;
    }

    /// <summary>The real-mode part with what a boot loader fills in, and the command line behind its heap.</summary>
    private static byte[] Setup(ReadOnlySpan<byte> setup, string commandLine, uint initrdBytes)
    {
        const byte unknownLoader = 0xFF, canUseHeap = 0x80;
        byte[] low = new byte[CommandLineOffset + commandLine.Length + 1];
        setup.CopyTo(low);
        low[0x210] = unknownLoader;
        low[0x211] |= canUseHeap;
        BinaryPrimitives.WriteUInt32LittleEndian(low.AsSpan(0x218), InitrdAddress);
        BinaryPrimitives.WriteUInt32LittleEndian(low.AsSpan(0x21C), initrdBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(low.AsSpan(0x224), (ushort)(CommandLineOffset - 0x200));
        BinaryPrimitives.WriteUInt32LittleEndian(low.AsSpan(0x228), BootSector.SetupAddress + CommandLineOffset);
        Encoding.ASCII.GetBytes(commandLine).CopyTo(low.AsSpan((int)CommandLineOffset));
        return low;
    }
}
