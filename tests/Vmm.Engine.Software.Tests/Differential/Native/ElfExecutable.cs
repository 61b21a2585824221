using System.Buffers.Binary;

namespace Vmm.Engine.Software.Tests.Differential.Native;

/// <summary>A static x86-64 executable of one code segment and one segment of zeroed data.</summary>
internal static class ElfExecutable
{
    /// <summary>Address of the first instruction: the headers are mapped before it.</summary>
    public const ulong Entry = Text + HeaderSize;

    /// <summary>Address of the zeroed data.</summary>
    public const ulong ZeroedData = 0x6010_0000;

    public const int ZeroedDataSize = 0x4_0000;

    private const ulong Text = 0x6000_0000;
    private const int FileHeaderSize = 64;
    private const int ProgramHeaderSize = 56;
    private const int HeaderSize = FileHeaderSize + (2 * ProgramHeaderSize);

    /// <summary>The file's bytes (System V ABI, "Object Files": ELF header, program headers, code).</summary>
    public static byte[] Build(ReadOnlySpan<byte> code)
    {
        byte[] file = new byte[HeaderSize + code.Length];
        Span<byte> header = file;
        "\x7F"u8.CopyTo(header);
        "ELF\x02\x01\x01"u8.CopyTo(header[1..]);
        Write16(header[16..], 2);       // executable
        Write16(header[18..], 62);      // x86-64
        Write32(header[20..], 1);
        Write64(header[24..], Entry);
        Write64(header[32..], FileHeaderSize);
        Write16(header[52..], FileHeaderSize);
        Write16(header[54..], ProgramHeaderSize);
        Write16(header[56..], 2);
        Segment(header[FileHeaderSize..], 5, Text, file.Length, file.Length);
        Segment(header[(FileHeaderSize + ProgramHeaderSize)..], 6, ZeroedData, 0, ZeroedDataSize);
        code.CopyTo(header[HeaderSize..]);
        return file;
    }

    private static void Segment(Span<byte> header, uint flags, ulong address, int fileSize, int memorySize)
    {
        Write32(header, 1);             // load
        Write32(header[4..], flags);
        Write64(header[16..], address);
        Write64(header[24..], address);
        Write64(header[32..], (ulong)fileSize);
        Write64(header[40..], (ulong)memorySize);
        Write64(header[48..], 0x1000);
    }

    private static void Write16(Span<byte> at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(at, value);

    private static void Write32(Span<byte> at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(at, value);

    private static void Write64(Span<byte> at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(at, value);
}
