using System.Buffers.Binary;
using System.Text;

namespace Vmm.Kernel;

/// <summary>
/// Reads a saved VM, see <see cref="SnapshotFormat"/>. The bytes are hostile input: nothing is allocated on their word,
/// and whatever does not add up is refused with what is wrong.
/// </summary>
public sealed class SnapshotReader : IDisposable
{
    private readonly Stream _stream;
    private readonly string _name;
    private readonly long _start;
    private readonly long _contentStart;
    private readonly List<Entry> _table = [];
    private readonly bool _hasMemory;

    /// <summary>Opens a snapshot and checks its header and table.</summary>
    /// <param name="stream">The bytes, from its current position to its end; disposed of with the reader.</param>
    /// <param name="name">What it is called in messages.</param>
    /// <exception cref="StateException">It is no snapshot, a damaged one, or one of another version.</exception>
    public SnapshotReader(Stream stream, string name)
    {
        _stream = stream;
        _name = name;
        _start = stream.Position;
        Span<byte> header = stackalloc byte[SnapshotFormat.HeaderLength];
        ReadVersion(header);
        Read(header[SnapshotFormat.VersionEnd..]);
        if (BinaryPrimitives.ReadUInt32LittleEndian(header[SnapshotFormat.HeaderChecksumOffset..]) != SnapshotFormat.Checksum(header[..SnapshotFormat.HeaderChecksumOffset]))
        {
            throw Refused("its header is damaged (the checksum is wrong)");
        }

        Identity = new Guid(header.Slice(24, 16));
        Base = new Guid(header.Slice(40, 16));
        _hasMemory = (BinaryPrimitives.ReadUInt32LittleEndian(header[56..]) & SnapshotFormat.MemoryFlag) != 0;
        uint sections = BinaryPrimitives.ReadUInt32LittleEndian(header[12..]), length = BinaryPrimitives.ReadUInt32LittleEndian(header[16..]);
        if (sections > SnapshotFormat.MaximumSections || length > SnapshotFormat.MaximumTable)
        {
            throw Refused($"{sections:N0} sections with {length:N0} bytes of names are too many");
        }

        byte[] table = Take((int)length, "its section table");
        if (SnapshotFormat.Checksum(table) != BinaryPrimitives.ReadUInt32LittleEndian(header[20..]))
        {
            throw Refused("its section table is damaged (the checksum is wrong)");
        }

        _contentStart = _stream.Position;
        ParseTable(table, (int)sections);
    }

    /// <summary>Version of the container.</summary>
    public int ContainerVersion { get; private set; }

    /// <summary>Number that no other snapshot has.</summary>
    public Guid Identity { get; }

    /// <summary>Identity of the snapshot whose memory this one goes on from; empty for none.</summary>
    public Guid Base { get; }

    /// <summary>Whether guest memory is in it.</summary>
    public bool HasMemory => _hasMemory;

    private long ContentLength => _table.Sum(entry => (long)entry.Length);

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="StateException">It cannot be read, or is no usable snapshot.</exception>
    public static SnapshotReader Open(string path)
    {
        FileStream? stream = null;
        try
        {
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
            return new SnapshotReader(stream, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            stream?.Dispose();
            throw new StateException($"{path}: the saved machine cannot be read: {e.Message}");
        }
        catch
        {
            stream?.Dispose();
            throw;
        }
    }

    /// <summary>Reads the state of every part.</summary>
    /// <exception cref="StateException">The content is damaged.</exception>
    public IReadOnlyList<StateSection> ReadSections()
    {
        _stream.Position = _contentStart;
        return _table.ConvertAll(entry =>
        {
            byte[] content = Take(entry.Length, $"the section '{entry.Path}'");
            return SnapshotFormat.Checksum(content) == entry.Checksum
                ? new StateSection(entry.Path, entry.Schema, entry.Plugin, entry.Version, content)
                : throw Refused($"the section '{entry.Path}' is damaged (the checksum is wrong)");
        });
    }

    /// <summary>Reads guest memory into that of a machine. Pages that the file does not have stay as they are.</summary>
    /// <param name="memory">Memory of the same shape.</param>
    /// <exception cref="StateException">The memory is missing, damaged, or does not fit.</exception>
    public void ReadMemory(GuestMemory memory)
    {
        if (!_hasMemory)
        {
            throw Refused("it has no guest memory: it is good for 'inspect' only");
        }

        memory.Shadow?.ShowRam();
        _stream.Position = _contentStart + ContentLength;
        byte[] buffer = new byte[SnapshotFormat.MaximumRun];
        ulong next = 0, count = 0;
        while (true)
        {
            (ulong address, int length, bool zeros, uint checksum) = ReadRun();
            if (length == 0)
            {
                break;
            }

            Span<byte> data = buffer.AsSpan(0, length);
            if (zeros)
            {
                data.Clear();
            }
            else
            {
                Read(data);
            }

            if (SnapshotFormat.Checksum(zeros ? default : data) != checksum)
            {
                throw Refused($"guest memory at 0x{address:x} is damaged (the checksum is wrong)");
            }

            if (address < next || !memory.TryLoad(address, data))
            {
                throw Refused($"it has memory at 0x{address:x}-0x{address + (ulong)length - 1:x}, where this machine has none");
            }

            next = address + (ulong)length;
            count++;
        }

        (ulong Address, int Length, bool Zeros, uint Checksum) ReadRun()
        {
            Span<byte> header = stackalloc byte[SnapshotFormat.RunHeaderLength];
            Read(header);
            ulong address = BinaryPrimitives.ReadUInt64LittleEndian(header), length = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
            bool zeros = (length & SnapshotFormat.ZerosFlag) != 0;
            length &= ~SnapshotFormat.ZerosFlag;
            bool ends = length == 0 && address == count && _stream.Position == _stream.Length;
            if (BinaryPrimitives.ReadUInt32LittleEndian(header[SnapshotFormat.RunChecksumOffset..]) != SnapshotFormat.Checksum(header[..SnapshotFormat.RunChecksumOffset])
                || length > SnapshotFormat.MaximumRun || length % HostMemory.PageSize != 0 || (length != 0 ? address % HostMemory.PageSize != 0 : !ends))
            {
                throw Refused($"its guest memory is damaged after {count:N0} pieces");
            }

            return (address, (int)length, zeros, BinaryPrimitives.ReadUInt32LittleEndian(header[16..]));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    private void ReadVersion(Span<byte> header)
    {
        if (_stream.Length - _start < SnapshotFormat.VersionEnd)
        {
            throw Refused("it is no saved machine");
        }

        Read(header[..SnapshotFormat.VersionEnd]);
        if (!header.StartsWith(SnapshotFormat.Magic))
        {
            throw Refused("it is no saved machine");
        }

        ContainerVersion = (int)BinaryPrimitives.ReadUInt32LittleEndian(header[8..]);
        if (ContainerVersion != SnapshotFormat.Version)
        {
            throw Refused($"its container has version {(uint)ContainerVersion}, and this vmm reads version {SnapshotFormat.Version}");
        }
    }

    private void ParseTable(ReadOnlySpan<byte> table, int count)
    {
        long offset = 0;
        HashSet<string> paths = [];
        for (int i = 0; i < count; i++)
        {
            string path = TakeName(ref table), schema = TakeName(ref table), plugin = TakeName(ref table);
            ReadOnlySpan<byte> numbers = TakeOf(ref table, 20);
            uint version = BinaryPrimitives.ReadUInt32LittleEndian(numbers), length = BinaryPrimitives.ReadUInt32LittleEndian(numbers[12..]);
            if (BinaryPrimitives.ReadInt64LittleEndian(numbers[4..]) != offset || length > SnapshotFormat.MaximumSection || version > int.MaxValue
                || offset + length > SnapshotFormat.MaximumContent || !paths.Add(path))
            {
                throw Refused($"the section '{path}' is there twice, too long, or not where it should be");
            }

            _table.Add(new Entry(path, schema, plugin, (int)version, (int)length, BinaryPrimitives.ReadUInt32LittleEndian(numbers[16..])));
            offset += length;
        }

        long left = _stream.Length - _contentStart - offset;
        if (!table.IsEmpty || left < 0 || (left != 0 && !_hasMemory))
        {
            throw Refused(left < 0 ? $"it is cut off: {-left:N0} bytes of state are missing" : "there is something behind its end");
        }
    }

    private string TakeName(ref ReadOnlySpan<byte> table)
    {
        int length = BinaryPrimitives.ReadUInt16LittleEndian(TakeOf(ref table, 2));
        return length <= SnapshotFormat.MaximumName ? Encoding.UTF8.GetString(TakeOf(ref table, length)) : throw Refused("a name in its section table is too long");
    }

    private ReadOnlySpan<byte> TakeOf(ref ReadOnlySpan<byte> table, int length)
    {
        if (length > table.Length)
        {
            throw Refused("its section table ends in the middle of an entry");
        }

        ReadOnlySpan<byte> taken = table[..length];
        table = table[length..];
        return taken;
    }

    private byte[] Take(int length, string what)
    {
        if (length > _stream.Length - _stream.Position)
        {
            throw Refused($"it is cut off in {what}");
        }

        byte[] taken = new byte[length];
        Read(taken);
        return taken;
    }

    private void Read(Span<byte> destination)
    {
        if (_stream.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false) < destination.Length)
        {
            throw Refused($"it is cut off after {_stream.Length - _start:N0} bytes");
        }
    }

    private StateException Refused(string problem) => new($"{_name}: {problem}.");

    private readonly record struct Entry(string Path, string Schema, string Plugin, int Version, int Length, uint Checksum);
}
