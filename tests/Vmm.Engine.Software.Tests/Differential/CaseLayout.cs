using System.Runtime.InteropServices;

namespace Vmm.Engine.Software.Tests.Differential;

/// <summary>The linear addresses that native process and interpreter agree on. All fit in 31 bits, for 32-bit code.</summary>
internal static class CaseLayout
{
    public const int PageSize = 4096;

    /// <summary>One page of code, filled with INT3 around the instruction; nothing is mapped beside it.</summary>
    public const ulong Code = 0x2000_0000;

    /// <summary>Two pages that may be written; nothing is mapped before them.</summary>
    public const ulong Data = 0x2400_0000;

    public const int DataSize = 2 * PageSize;

    /// <summary>A page of zeros that may only be read, then nothing.</summary>
    public const ulong ReadOnlyData = Data + DataSize;

    /// <summary>End of what is mapped from <see cref="Data"/> on.</summary>
    public const ulong DataEnd = ReadOnlyData + PageSize;

    /// <summary>Where the native process maps the cases it shares with the test.</summary>
    public const ulong Cases = 0x7000_0000;

    /// <summary>Linux' selectors for 64-bit code, for compatibility-mode code and for data at CPL 3.</summary>
    public const ushort Code64Selector = 0x33;

    public const ushort Code32Selector = 0x23;
    public const ushort DataSelector = 0x2B;

    /// <summary>Selectors of the local descriptor table, for 16-bit code: code based at <see cref="Code"/>.</summary>
    public const ushort Code16Selector = 0x07;

    /// <summary>Both data pages, based at <see cref="Data"/>; as a stack, too.</summary>
    public const ushort Data16Selector = 0x0F;

    /// <summary>An expand-down segment of the same base: offsets above <see cref="ExpandDownLimit"/>.</summary>
    public const ushort ExpandDownSelector = 0x17;

    /// <summary>The same as <see cref="Data16Selector"/>, but read-only.</summary>
    public const ushort ReadOnlySelector = 0x1F;

    public const uint ExpandDownLimit = 0x7FF;

    /// <summary>Upper half of ESP in 16-bit cases: IRET to a 16-bit stack leaves there what the native process had.</summary>
    public const ulong UpperStackPointer = 0x6013_0000;

    // From the native program's code, a page before it for operands that reach in, to the end of the cases with room to spare.
    private const ulong NativeProcess = 0x6000_0000 - PageSize;
    private const ulong NativeProcessEnd = Cases + 0x100_0000;

    /// <summary>Whether a linear address within 32 bits is where the native process has memory of its own, and the interpreter none.</summary>
    public static bool IsOfNativeProcess(ulong address) => address is >= NativeProcess and < NativeProcessEnd;
}

/// <summary>The registers of one case, before or after; the native process knows this layout by offset.</summary>
[StructLayout(LayoutKind.Sequential, Size = 0x400)]
internal unsafe struct ProcessorImage
{
    public const int CodeCapacity = 32;
    public const int FxSize = 512;
    public const int UpperHalvesSize = 256;

    /// <summary>In encoding order.</summary>
    public fixed ulong Gpr[16];
    public ulong Rip;
    public ulong Rflags;
    public ulong Cs;
    public ulong Ss;
    public ulong FsBase;
    public ulong GsBase;
    public ushort Es;
    public ushort Ds;
    public ushort Fs;
    public ushort Gs;

    /// <summary>Vector of the exception that ended the case; 3 for the INT3 after the instruction. Output only.</summary>
    public ulong Vector;
    public ulong ErrorCode;
    public ulong Cr2;

    /// <summary>Linear address of the instruction, and how many bytes to put there. Input only.</summary>
    public ulong CodeAddress;
    public ulong CodeLength;
    public fixed byte Code[CodeCapacity];

    /// <summary>x87, MMX, XMM and MXCSR as FXSAVE64 writes them (SDM Vol. 1 10.5.1.1).</summary>
    public fixed byte Fx[FxSize];

    /// <summary>Bits 255:128 of the vector registers, 16 bytes each.</summary>
    public fixed byte UpperHalves[UpperHalvesSize];
}

/// <summary>One case in the memory that test and native process share.</summary>
[StructLayout(LayoutKind.Explicit, Size = SlotSize)]
internal unsafe struct CaseSlot
{
    public const int SlotSize = 0x5000;
    public const int NativeOffset = 0x400;
    public const int MemoryOffset = 0x1000;
    public const int NativeMemoryOffset = 0x3000;

    [FieldOffset(0)]
    public ProcessorImage Input;

    [FieldOffset(NativeOffset)]
    public ProcessorImage Native;

    [FieldOffset(MemoryOffset)]
    public fixed byte Memory[CaseLayout.DataSize];

    [FieldOffset(NativeMemoryOffset)]
    public fixed byte NativeMemory[CaseLayout.DataSize];
}
