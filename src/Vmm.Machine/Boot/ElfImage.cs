using System.Buffers.Binary;

namespace Vmm.Machine.Boot;

/// <summary>
/// An x86 executable in ELF, 32- or 64-bit (System V ABI, "Object Files"), as a boot loader sees it: segments and notes.
/// Every offset is checked against the file.
/// </summary>
internal sealed class ElfImage
{
    private const int ExecutableFile = 2;
    private const int SharedFile = 3;
    private const int Machine386 = 3;
    private const int MachineAmd64 = 62;
    private const uint LoadSegment = 1;
    private const uint NoteSegment = 4;

    private readonly BootFile _file;

    private ElfImage(BootFile file, bool is64Bit, ulong entry, IReadOnlyList<ElfSegment> segments)
    {
        _file = file;
        Is64Bit = is64Bit;
        Entry = entry;
        Segments = [.. segments.Where(s => s.Type == LoadSegment && s.MemoryBytes != 0)];
        NoteSegments = [.. segments.Where(s => s.Type == NoteSegment)];
    }

    public bool Is64Bit { get; }

    /// <summary>Entry point as the header gives it: linear or physical, the protocol knows.</summary>
    public ulong Entry { get; }

    /// <summary>Segments to load.</summary>
    public IReadOnlyList<ElfSegment> Segments { get; }

    private ElfSegment[] NoteSegments { get; }

    /// <summary>Lowest physical address of all segments.</summary>
    public ulong Start => Segments.Min(s => s.PhysicalAddress);

    /// <summary>First physical address above all segments.</summary>
    public ulong End => Segments.Max(s => s.PhysicalAddress + s.MemoryBytes);

    /// <summary>Whether the bytes start like an ELF executable for x86 of the class.</summary>
    public static bool IsPresent(ReadOnlySpan<byte> image, bool is64Bit) =>
        image.Length >= 52
        && image.StartsWith("\u007FELF"u8)
        && image[4] == (is64Bit ? 2 : 1)
        && image[5] == 1
        && Word(image, 16) is ExecutableFile or SharedFile
        && Word(image, 18) == (is64Bit ? MachineAmd64 : Machine386);

    /// <summary>Whether an ELF file is one with fixed addresses, as kernels are, and not one for a dynamic linker to place.</summary>
    public static bool HasFixedAddresses(ReadOnlySpan<byte> image) => Word(image, 16) == ExecutableFile;

    /// <summary>Reads headers and checks that every segment lies in the file.</summary>
    public static ElfImage Read(BootFile file)
    {
        ReadOnlySpan<byte> image = file.Content.Span;
        bool wide = image[4] == 2;
        if (image.Length < (wide ? 64 : 52))
        {
            throw Truncated(file, "ELF header");
        }

        ulong table = wide ? Quad(image, 32) : Double(image, 28);
        int size = Word(image, wide ? 54 : 42);
        int count = Word(image, wide ? 56 : 44);
        if (count == 0 || size < (wide ? 56 : 32))
        {
            throw new MachineException($"{file.Name}: an ELF file without program headers: an object file, not a kernel.");
        }

        if (table > (ulong)image.Length || (ulong)count * (ulong)size > (ulong)image.Length - table)
        {
            throw Truncated(file, "program headers");
        }

        List<ElfSegment> segments = [];
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> header = image.Slice((int)table + i * size, size);
            ElfSegment segment = wide
                ? new(Double(header, 0), Quad(header, 8), Quad(header, 16), Quad(header, 24), Quad(header, 32), Quad(header, 40))
                : new(Double(header, 0), Double(header, 4), Double(header, 8), Double(header, 12), Double(header, 16), Double(header, 20));
            if (segment.Type is not (LoadSegment or NoteSegment))
            {
                continue;
            }

            if (segment.FileOffset > (ulong)image.Length || segment.FileBytes > (ulong)image.Length - segment.FileOffset)
            {
                throw Truncated(file, $"segment {i}");
            }

            if (segment.Type == LoadSegment && (segment.FileBytes > segment.MemoryBytes || segment.PhysicalAddress > ulong.MaxValue - segment.MemoryBytes))
            {
                throw new MachineException($"{file.Name}: damaged: segment {i} of the ELF file contradicts itself.");
            }

            segments.Add(segment);
        }

        ElfImage elf = new(file, wide, wide ? Quad(image, 24) : Double(image, 24), segments);
        return elf.Segments is [] ? throw new MachineException($"{file.Name}: an ELF file with nothing to load.") : elf;
    }

    /// <summary>Copies the segments to their physical addresses, with their zero-filled ends.</summary>
    public void Load(BootRequest request, BootMemory memory)
    {
        foreach (ElfSegment segment in Segments)
        {
            LinuxCommon.CheckFits(request, segment.PhysicalAddress, segment.MemoryBytes);
            memory.Write(_file.Name, segment.PhysicalAddress, _file.Content.Span.Slice((int)segment.FileOffset, (int)segment.FileBytes));
            memory.Clear(_file.Name, segment.PhysicalAddress + segment.FileBytes, segment.MemoryBytes - segment.FileBytes);
        }
    }

    /// <summary>The entry point as a physical address: a linear one is translated through its segment.</summary>
    public ulong PhysicalEntry()
    {
        foreach (ElfSegment segment in Segments)
        {
            if (Entry - segment.PhysicalAddress < segment.MemoryBytes)
            {
                return Entry;
            }
        }

        foreach (ElfSegment segment in Segments)
        {
            if (Entry - segment.LinearAddress < segment.MemoryBytes)
            {
                return Entry - segment.LinearAddress + segment.PhysicalAddress;
            }
        }

        throw new MachineException($"{_file.Name}: damaged: the entry point 0x{Entry:x} lies in no segment.");
    }

    /// <summary>Finds the description of a note.</summary>
    /// <param name="name">Name of its owner.</param>
    /// <param name="type">Its type.</param>
    /// <param name="description">The bytes.</param>
    public bool TryFindNote(ReadOnlySpan<byte> name, uint type, out ReadOnlySpan<byte> description)
    {
        foreach (ElfSegment segment in NoteSegments)
        {
            ReadOnlySpan<byte> notes = _file.Content.Span.Slice((int)segment.FileOffset, (int)segment.FileBytes);
            while (notes.Length >= 12)
            {
                uint nameBytes = Double(notes, 0);
                uint descriptionBytes = Double(notes, 4);
                long nameEnd = 12 + AlignUp(nameBytes);
                long end = nameEnd + AlignUp(descriptionBytes);
                if (nameEnd + descriptionBytes > notes.Length)
                {
                    break;
                }

                if (Double(notes, 8) == type && notes.Slice(12, (int)nameBytes).TrimEnd((byte)0).SequenceEqual(name))
                {
                    description = notes.Slice((int)nameEnd, (int)descriptionBytes);
                    return true;
                }

                notes = notes[(int)Math.Min(end, notes.Length)..];
            }
        }

        description = default;
        return false;
    }

    private static long AlignUp(uint length) => (length + 3L) & ~3L;

    private static MachineException Truncated(BootFile file, string what) =>
        new($"{file.Name}: truncated: the {what} of the ELF file lies beyond its {file.Content.Length:N0} bytes.");

    private static ushort Word(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[offset..]);

    private static uint Double(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]);

    private static ulong Quad(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[offset..]);
}

/// <summary>A program header.</summary>
internal readonly record struct ElfSegment(uint Type, ulong FileOffset, ulong LinearAddress, ulong PhysicalAddress, ulong FileBytes, ulong MemoryBytes);
