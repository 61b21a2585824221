using System.Buffers.Binary;
using Vmm.Sdk;

namespace Vmm.Plugins.RtcMc146818;

/// <summary>What firmware finds in the battery-backed memory of a new board; places are PC convention.</summary>
internal static class CmosMemory
{
    public const int Length = 256;

    private const int Equipment = 0x14;
    private const int BaseMemory = 0x15;
    private const int ExtendedMemory = 0x17;
    private const int ChecksumFirst = 0x10;
    private const int ChecksumLast = 0x2d;
    private const int Checksum = 0x2e;
    private const int ExtendedMemoryFound = 0x30;
    private const int MemoryAbove16Megabytes = 0x34;
    private const int MemoryAbove4Gigabytes = 0x5b;
    private const int OtherProcessors = 0x5f;

    private const byte CoprocessorAndMouse = 0x06;

    /// <summary>Fills the memory for a board.</summary>
    public static void Initialize(Span<byte> memory, IBoard board)
    {
        memory.Clear();
        memory[Register.A] = RegisterA.DividerRunning | 0x06;
        memory[Register.B] = RegisterB.TwentyFourHours;
        memory[Equipment] = CoprocessorAndMouse;

        var low = board.LowMemoryBytes;
        Word(memory, BaseMemory, Math.Min(low, 640 << 10) >> 10);
        Word(memory, ExtendedMemory, Above(low, 1 << 20) >> 10);
        Word(memory, ExtendedMemoryFound, Above(low, 1 << 20) >> 10);
        Word(memory, MemoryAbove16Megabytes, Above(low, 16 << 20) >> 16);
        var high = Math.Min(board.HighMemoryBytes >> 16, 0xff_ffff);
        Word(memory, MemoryAbove4Gigabytes, high & 0xffff);
        memory[MemoryAbove4Gigabytes + 2] = (byte)(high >> 16);
        memory[OtherProcessors] = (byte)Math.Clamp(board.ProcessorCount - 1, 0, 255);

        var sum = 0;
        foreach (var value in memory[ChecksumFirst..(ChecksumLast + 1)])
        {
            sum += value;
        }

        BinaryPrimitives.WriteUInt16BigEndian(memory[Checksum..], (ushort)sum);
    }

    private static ulong Above(ulong memory, ulong start) => memory > start ? memory - start : 0;

    private static void Word(Span<byte> memory, int place, ulong value) =>
        BinaryPrimitives.WriteUInt16LittleEndian(memory[place..], (ushort)Math.Min(value, 0xffff));
}
