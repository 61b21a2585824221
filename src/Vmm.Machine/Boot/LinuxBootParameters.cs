using System.Buffers.Binary;
using Vmm.Machine.Boards;

namespace Vmm.Machine.Boot;

/// <summary>The boot parameters of Linux, the "zero page" (Documentation/arch/x86/zero-page.rst).</summary>
internal sealed class LinuxBootParameters
{
    private const byte UnregisteredLoader = 0xFF;
    private const int RootPointer = 0x070;
    private const int RamdiskHigh = 0x0C0;
    private const int RamdiskSizeHigh = 0x0C4;
    private const int CommandLineHigh = 0x0C8;
    private const int MapEntries = 0x1E8;
    private const int Header = LinuxSetupHeader.Offset;
    private const int BootFlag = 0x1FE;
    private const int Signature = 0x202;
    private const int Version = 0x206;
    private const int LoaderType = 0x210;
    private const int Ramdisk = 0x218;
    private const int RamdiskSize = 0x21C;
    private const int CommandLine = 0x228;
    private const int KernelAlignment = 0x230;
    private const int Map = 0x2D0;
    private const int MapEntrySize = 20;

    private readonly byte[] _page = new byte[4096];

    /// <summary>Parameters for an image with a setup header.</summary>
    public LinuxBootParameters(LinuxSetupHeader header)
    {
        header.Bytes.CopyTo(_page.AsSpan(Header));
        _page[LoaderType] = UnregisteredLoader;
    }

    /// <summary>Parameters for an image without one: the fields that a 64-bit kernel reads at its entry.</summary>
    public LinuxBootParameters()
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_page.AsSpan(BootFlag), 0xAA55);
        "HdrS"u8.CopyTo(_page.AsSpan(Signature));
        BinaryPrimitives.WriteUInt16LittleEndian(_page.AsSpan(Version), 0x20F);
        DoubleWord(KernelAlignment, 0x20_0000);
        _page[LoaderType] = UnregisteredLoader;
    }

    public ReadOnlySpan<byte> Bytes => _page;

    public void SetRootPointer(ulong address) => BinaryPrimitives.WriteUInt64LittleEndian(_page.AsSpan(RootPointer), address);

    public void SetCommandLine(ulong address) => Split(CommandLine, CommandLineHigh, address);

    public void SetRamdisk(ulong address, ulong length)
    {
        Split(Ramdisk, RamdiskHigh, address);
        Split(RamdiskSize, RamdiskSizeHigh, length);
    }

    public void SetMemoryMap(IReadOnlyList<MemoryMapEntry> map)
    {
        _page[MapEntries] = (byte)map.Count;
        for (int i = 0; i < map.Count; i++)
        {
            Span<byte> entry = _page.AsSpan(Map + i * MapEntrySize, MapEntrySize);
            BinaryPrimitives.WriteUInt64LittleEndian(entry, map[i].Address);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], map[i].Length);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[16..], (uint)map[i].Type);
        }
    }

    private void Split(int low, int high, ulong value)
    {
        DoubleWord(low, (uint)value);
        DoubleWord(high, (uint)(value >> 32));
    }

    private void DoubleWord(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_page.AsSpan(offset), value);
}
