using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Vmm.Kernel;

/// <summary>Writes a saved VM, see <see cref="SnapshotFormat"/>.</summary>
public static class SnapshotWriter
{
    /// <summary>Writes the container.</summary>
    /// <param name="to">Where to; written from its current position, never read.</param>
    /// <param name="identity">A number that no other snapshot has.</param>
    /// <param name="sections">The state.</param>
    /// <param name="memory">Guest memory, which must not change meanwhile; null for a container of state alone.</param>
    /// <param name="basis">The snapshot whose memory this one goes on from: only pages written since then are in it. Null for all of it.</param>
    public static void Write(Stream to, Guid identity, IReadOnlyList<StateSection> sections, GuestMemory? memory = null, SnapshotBase? basis = null)
    {
        byte[] table = Table(sections);
        Span<byte> header = stackalloc byte[SnapshotFormat.HeaderLength];
        header.Clear();
        SnapshotFormat.Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], SnapshotFormat.Version);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], (uint)sections.Count);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], (uint)table.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], SnapshotFormat.Checksum(table));
        identity.TryWriteBytes(header[24..]);
        (basis?.Identity ?? Guid.Empty).TryWriteBytes(header[40..]);
        BinaryPrimitives.WriteUInt32LittleEndian(header[56..], memory is null ? 0 : SnapshotFormat.MemoryFlag);
        BinaryPrimitives.WriteUInt32LittleEndian(header[SnapshotFormat.HeaderChecksumOffset..], SnapshotFormat.Checksum(header[..SnapshotFormat.HeaderChecksumOffset]));
        to.Write(header);
        to.Write(table);
        foreach (StateSection section in sections)
        {
            to.Write(section.Content.Span);
        }

        if (memory is not null)
        {
            WriteMemory(to, memory, basis?.DirtyPages);
        }
    }

    private static byte[] Table(IReadOnlyList<StateSection> sections)
    {
        ArrayBufferWriter<byte> table = new();
        long offset = 0;
        foreach (StateSection section in sections)
        {
            WriteName(table, section.Path);
            WriteName(table, section.Schema);
            WriteName(table, section.Plugin);
            Span<byte> numbers = table.GetSpan(20)[..20];
            BinaryPrimitives.WriteUInt32LittleEndian(numbers, (uint)section.Version);
            BinaryPrimitives.WriteInt64LittleEndian(numbers[4..], offset);
            BinaryPrimitives.WriteUInt32LittleEndian(numbers[12..], (uint)section.Content.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(numbers[16..], SnapshotFormat.Checksum(section.Content.Span));
            table.Advance(numbers.Length);
            offset += section.Content.Length;
            if (section.Content.Length > SnapshotFormat.MaximumSection || offset > SnapshotFormat.MaximumContent)
            {
                throw new StateException($"{section.Path}: {section.Content.Length:N0} bytes of state are too much.");
            }
        }

        return sections.Count <= SnapshotFormat.MaximumSections && table.WrittenCount <= SnapshotFormat.MaximumTable
            ? table.WrittenSpan.ToArray()
            : throw new StateException($"{sections.Count} sections of state are too many.");
    }

    private static void WriteName(ArrayBufferWriter<byte> table, string name)
    {
        int length = Encoding.UTF8.GetByteCount(name);
        if (length > SnapshotFormat.MaximumName)
        {
            throw new StateException($"The name '{name}' is too long for saved state.");
        }

        Span<byte> span = table.GetSpan(2 + length);
        BinaryPrimitives.WriteUInt16LittleEndian(span, (ushort)length);
        Encoding.UTF8.GetBytes(name, span[2..]);
        table.Advance(2 + length);
    }

    private static void WriteMemory(Stream to, GuestMemory memory, IReadOnlyDictionary<ulong, ulong[]>? dirty)
    {
        ulong count = 0;
        foreach (GuestMemoryRegion region in memory.Map.Where(region => region.Kind != GuestMemoryKind.Alias))
        {
            foreach (MemoryRun run in MemoryRuns.Of(memory, region, dirty?.GetValueOrDefault(region.Address)))
            {
                ReadOnlySpan<byte> data = run.IsZero ? default : memory.Content(region, run.Address, run.Length);
                WriteRun(to, run.Address, (uint)run.Length | (run.IsZero ? SnapshotFormat.ZerosFlag : 0), SnapshotFormat.Checksum(data));
                to.Write(data);
                count++;
            }
        }

        WriteRun(to, count, 0, 0);
    }

    private static void WriteRun(Stream to, ulong address, ulong length, uint checksum)
    {
        Span<byte> header = stackalloc byte[SnapshotFormat.RunHeaderLength];
        BinaryPrimitives.WriteUInt64LittleEndian(header, address);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], length);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], checksum);
        BinaryPrimitives.WriteUInt32LittleEndian(header[SnapshotFormat.RunChecksumOffset..], SnapshotFormat.Checksum(header[..SnapshotFormat.RunChecksumOffset]));
        to.Write(header);
    }
}

/// <summary>What an incremental snapshot goes on from.</summary>
/// <param name="Identity">Identity of the snapshot before.</param>
/// <param name="DirtyPages">By address of a RAM region, one bit for each page written since then.</param>
public sealed record SnapshotBase(Guid Identity, IReadOnlyDictionary<ulong, ulong[]> DirtyPages);
