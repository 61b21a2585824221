using System.Buffers.Binary;
using Iced.Intel;

namespace Vmm.EndToEnd.Tests.Harness;

/// <summary>Small guests: a Multiboot 1 image made of assembled code, entered in 32-bit protected mode without paging.</summary>
internal static class GuestImage
{
    private const uint Magic = 0x1BAD_B002;
    private const uint HasAddresses = 1 << 16;
    private const uint LoadAddress = 0x10_0000;
    private const int HeaderBytes = 32;

    /// <summary>Assembles the code and gives the file.</summary>
    public static byte[] Create(Action<Assembler> code)
    {
        Assembler assembler = new(32);
        code(assembler);
        using MemoryStream file = new();
        Span<byte> header = stackalloc byte[HeaderBytes];
        uint[] fields = [Magic, HasAddresses, unchecked(0 - Magic - HasAddresses), LoadAddress, LoadAddress, 0, 0, LoadAddress + HeaderBytes];
        for (int i = 0; i < fields.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(header[(i * 4)..], fields[i]);
        }

        file.Write(header);
        assembler.Assemble(new StreamCodeWriter(file), LoadAddress + HeaderBytes);
        return file.ToArray();
    }
}
