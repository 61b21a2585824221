using System.Buffers.Binary;
using System.Text;
using Vmm.Sdk;

namespace Vmm.Plugins.FwCfg;

/// <summary>
/// What can be selected, by key: a few numbers that firmware reads first, the directory of files, and the files
/// (QEMU's specification "Firmware Configuration (fw_cfg) Device").
/// </summary>
internal sealed class FwCfgItems
{
    private const ushort Signature = 0x00;
    private const ushort Features = 0x01;
    private const ushort RamSize = 0x03;
    private const ushort NoGraphics = 0x04;
    private const ushort ProcessorCount = 0x05;
    private const ushort BootMenu = 0x0e;
    private const ushort MaximumProcessors = 0x0f;
    private const ushort FileDirectory = 0x19;
    private const ushort FirstFile = 0x20;
    private const int MostFiles = 0x4000 - FirstFile;
    private const int DirectoryEntryLength = 64;
    private const int NameOffset = 8;

    /// <summary>The traditional interface and DMA.</summary>
    private const uint AllFeatures = 3;

    private readonly Dictionary<ushort, ReadOnlyMemory<byte>> _items = [];

    public FwCfgItems(FwCfgOptions options, IBoard board, IReadOnlyList<FirmwareFile> files)
    {
        _items[Signature] = "QEMU"u8.ToArray();
        _items[Features] = Number(AllFeatures, 4);
        _items[RamSize] = Number(board.LowMemoryBytes + board.HighMemoryBytes, 8);
        _items[NoGraphics] = Number(options.SerialConsole ? 1u : 0u, 2);
        _items[ProcessorCount] = Number((ulong)board.ProcessorCount, 2);
        _items[BootMenu] = Number(0, 2); // nobody is asked: the order of the disks decides
        _items[MaximumProcessors] = Number((ulong)board.ProcessorCount, 2);
        AddFiles([.. files.OrderBy(file => file.Name, StringComparer.Ordinal)]);
    }

    /// <summary>The content behind a key; empty where there is none.</summary>
    public ReadOnlyMemory<byte> Find(ushort key) => _items.GetValueOrDefault(key);

    private void AddFiles(FirmwareFile[] files)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(files.Length, MostFiles, nameof(files));
        byte[] directory = new byte[4 + (files.Length * DirectoryEntryLength)];
        BinaryPrimitives.WriteInt32BigEndian(directory, files.Length);
        for (int i = 0; i < files.Length; i++)
        {
            ushort key = (ushort)(FirstFile + i);
            Span<byte> entry = directory.AsSpan(4 + (i * DirectoryEntryLength), DirectoryEntryLength);
            BinaryPrimitives.WriteInt32BigEndian(entry, files[i].Content.Length);
            BinaryPrimitives.WriteUInt16BigEndian(entry[4..], key);

            // The last byte stays the zero that ends the name.
            Encoding.ASCII.GetBytes(files[i].Name, entry[NameOffset..^1]);
            _items[key] = files[i].Content;
        }

        _items[FileDirectory] = directory;
    }

    private static byte[] Number(ulong value, int length)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return bytes[..length];
    }
}
