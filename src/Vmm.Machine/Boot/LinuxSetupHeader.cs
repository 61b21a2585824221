using System.Buffers.Binary;

namespace Vmm.Machine.Boot;

/// <summary>
/// The setup header of a Linux image, at offset 0x1F1 of the file (Documentation/arch/x86/boot.rst, "The Real-Mode
/// Kernel Header"), protocol 2.04 and later. Reading it checks everything that the loader relies on.
/// </summary>
internal sealed class LinuxSetupHeader
{
    /// <summary>Where the header starts, in the file and in the boot parameters alike.</summary>
    public const int Offset = 0x1F1;

    private const uint Magic = 0x5372_6448; // "HdrS"
    private const int Sector = 512;
    private const byte LoadedHigh = 0x01;
    private const ushort Kernel64 = 0x0001;

    private readonly ReadOnlyMemory<byte> _image;

    private LinuxSetupHeader(ReadOnlyMemory<byte> image) => _image = image;

    /// <summary>Protocol version, such as 0x20F.</summary>
    public ushort Version => Word(0x206);

    /// <summary>Bytes of boot sector and setup code before the protected-mode kernel.</summary>
    public int SetupBytes => ((_image.Span[0x1F1] is 0 ? 4 : _image.Span[0x1F1]) + 1) * Sector;

    /// <summary>Length of the protected-mode kernel in bytes.</summary>
    public long KernelBytes => DoubleWord(0x1F4) * 16L;

    public bool Relocatable => Version >= 0x205 && _image.Span[0x234] != 0;

    public uint Alignment => Version >= 0x205 ? DoubleWord(0x230) : 0;

    /// <summary>Whether the kernel has the 64-bit entry at 0x200.</summary>
    public bool HasEntry64 => Version >= 0x20C && (Word(0x236) & Kernel64) != 0;

    /// <summary>Where the kernel likes to be loaded.</summary>
    public ulong PreferredAddress => Version >= 0x20A ? QuadWord(0x258) : 0x10_0000;

    /// <summary>Memory that the kernel needs from its load address on before it can read the memory map.</summary>
    public ulong InitialBytes => Version >= 0x20A ? DoubleWord(0x260) : (ulong)KernelBytes * 4;

    /// <summary>Highest address that an initial RAM disk may touch.</summary>
    public uint HighestInitrdAddress => DoubleWord(0x22C);

    /// <summary>Longest command line, without its terminator.</summary>
    public uint CommandLineBytes => Version >= 0x206 ? DoubleWord(0x238) : 255;

    /// <summary>The header as bytes; its length is coded in the jump at 0x200.</summary>
    public ReadOnlySpan<byte> Bytes => _image.Span[Offset..(0x202 + _image.Span[0x201])];

    /// <summary>The protected-mode kernel.</summary>
    public ReadOnlySpan<byte> Kernel => _image.Span.Slice(SetupBytes, (int)KernelBytes);

    /// <summary>Boot sector and setup code.</summary>
    public ReadOnlySpan<byte> Setup => _image.Span[..SetupBytes];

    /// <summary>Whether the image carries the header's signatures.</summary>
    public static bool IsPresent(ReadOnlySpan<byte> image) =>
        image.Length >= 0x206
        && BinaryPrimitives.ReadUInt16LittleEndian(image[0x1FE..]) == 0xAA55
        && BinaryPrimitives.ReadUInt32LittleEndian(image[0x202..]) == Magic;

    /// <summary>Reads and checks the header.</summary>
    public static LinuxSetupHeader Read(BootFile kernel)
    {
        LinuxSetupHeader header = new(kernel.Content);
        long length = kernel.Content.Length;
        if (length < 0x268)
        {
            throw new MachineException($"{kernel.Name}: truncated: {length} bytes end within the setup header of a Linux kernel.");
        }

        if (header.Version < 0x204 || (kernel.Content.Span[0x211] & LoadedHigh) == 0)
        {
            throw new MachineException($"{kernel.Name}: a Linux kernel of boot protocol {header.Version >> 8}.{header.Version & 0xFF:D2}; "
                + "a bzImage of protocol 2.04 or later is needed.");
        }

        long needed = header.SetupBytes + header.KernelBytes;
        if (length < needed)
        {
            throw new MachineException($"{kernel.Name}: truncated: the setup header promises {needed:N0} bytes, the file has {length:N0}.");
        }

        if (header.KernelBytes == 0 || header.Bytes.Length < 0x238 - Offset && header.Version >= 0x205)
        {
            throw new MachineException($"{kernel.Name}: damaged: the setup header of the Linux kernel contradicts itself.");
        }

        return header;
    }

    private ushort Word(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(_image.Span[offset..]);

    private uint DoubleWord(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_image.Span[offset..]);

    private ulong QuadWord(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(_image.Span[offset..]);
}
