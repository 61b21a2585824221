using System.Buffers.Binary;

namespace Vmm.Cli.Tests;

/// <summary>Multiboot kernels of a few instructions, written to a file that goes with the object.</summary>
internal sealed class TinyGuest : IDisposable
{
    private const uint LoadAddress = 0x10_0000;
    private const int HeaderBytes = 32;

    /// <summary>Address of the first instruction.</summary>
    public const uint Entry = LoadAddress + HeaderBytes;

    public TinyGuest(params byte[] code)
    {
        const uint magic = 0x1BAD_B002;
        const uint flags = 1 << 16;
        byte[] image = new byte[4096];
        uint[] header = [magic, flags, unchecked(0u - magic - flags), LoadAddress, LoadAddress, 0, 0, Entry];
        for (int i = 0; i < header.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(i * 4), header[i]);
        }

        code.CopyTo(image, HeaderBytes);
        File.WriteAllBytes(Path, image);
    }

    /// <summary>The kernel file.</summary>
    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"guest-{Guid.NewGuid():N}.elf");

    /// <summary>mov dx, 604h; mov ax, 3400h; out dx, ax; hlt: S5 through PM1 control.</summary>
    public static byte[] PowerOff => [0x66, 0xBA, 0x04, 0x06, 0x66, 0xB8, 0x00, 0x34, 0x66, 0xEF, 0xF4];

    /// <summary>l: hlt; jmp l.</summary>
    public static byte[] Idle => [0xF4, 0xEB, 0xFD];

    public void Dispose() => File.Delete(Path);
}
