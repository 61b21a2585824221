using System.Collections.Concurrent;
using Vmm.Sdk;

namespace Vmm.Plugins.MemoryStorage;

/// <summary>
/// A disk in memory, gone with the VM. Only chunks that were written take space; every other sector reads as zeros.
/// </summary>
[BlockBackend("memory", Description = "A disk in memory that is gone with the VM", State = StateSupport.Unsupported)]
public sealed class MemoryBackend : IBlockBackend, IDiscardableBlock
{
    private const int SectorSize = 512;
    private const int ChunkSize = 64 * 1024;

    private readonly ConcurrentDictionary<ulong, byte[]> _chunks = new();
    private readonly ulong _length;

    public MemoryBackend(MemoryOptions options)
    {
        if (options.Size == 0 || options.Size % SectorSize != 0)
        {
            throw new ArgumentException($"The size of a memory disk is a positive multiple of {SectorSize} bytes, not {options.Size}.");
        }

        _length = options.Size;
        Geometry = new BlockGeometry(SectorSize, _length / SectorSize, options.ReadOnly);
    }

    public BlockGeometry Geometry { get; }

    /// <summary>Bytes of host memory that hold content.</summary>
    public long AllocatedBytes => (long)_chunks.Count * ChunkSize;

    public ValueTask<BlockStatus> ReadAsync(ulong sector, IReadOnlyList<Memory<byte>> buffers, CancellationToken cancellation)
    {
        long total = 0;
        for (int i = 0; i < buffers.Count; i++)
        {
            total += buffers[i].Length;
        }

        if (!Contains(sector, (ulong)total))
        {
            return new(BlockStatus.OutOfRange);
        }

        ulong position = sector * SectorSize;
        for (int i = 0; i < buffers.Count; i++)
        {
            var rest = buffers[i].Span;
            while (!rest.IsEmpty)
            {
                var (chunk, offset, length) = Locate(position, (ulong)rest.Length);
                if (_chunks.TryGetValue(chunk, out byte[]? content))
                {
                    content.AsSpan(offset, length).CopyTo(rest);
                }
                else
                {
                    rest[..length].Clear();
                }

                rest = rest[length..];
                position += (uint)length;
            }
        }

        return new(BlockStatus.Ok);
    }

    public ValueTask<BlockStatus> WriteAsync(
        ulong sector, IReadOnlyList<ReadOnlyMemory<byte>> buffers, bool durable, CancellationToken cancellation)
    {
        if (Geometry.ReadOnly)
        {
            return new(BlockStatus.ReadOnly);
        }

        long total = 0;
        for (int i = 0; i < buffers.Count; i++)
        {
            total += buffers[i].Length;
        }

        if (!Contains(sector, (ulong)total))
        {
            return new(BlockStatus.OutOfRange);
        }

        ulong position = sector * SectorSize;
        for (int i = 0; i < buffers.Count; i++)
        {
            var rest = buffers[i].Span;
            while (!rest.IsEmpty)
            {
                var (chunk, offset, length) = Locate(position, (ulong)rest.Length);
                byte[] content = _chunks.GetOrAdd(chunk, static _ => new byte[ChunkSize]);
                rest[..length].CopyTo(content.AsSpan(offset));
                rest = rest[length..];
                position += (uint)length;
            }
        }

        return new(BlockStatus.Ok);
    }

    public ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation) => new(BlockStatus.Ok);

    public ValueTask<BlockStatus> DiscardAsync(ulong sector, ulong count, CancellationToken cancellation)
    {
        if (Geometry.ReadOnly)
        {
            return new(BlockStatus.ReadOnly);
        }

        if (count > Geometry.SectorCount || !Contains(sector, count * SectorSize))
        {
            return new(BlockStatus.OutOfRange);
        }

        // A range far larger than what is allocated must not cost a look-up a chunk.
        ulong first = sector * SectorSize, end = first + (count * SectorSize);
        foreach (ulong chunk in _chunks.Keys)
        {
            ulong start = Math.Max(first, chunk * ChunkSize), stop = Math.Min(end, (chunk + 1) * ChunkSize);
            if (start >= stop)
            {
                continue;
            }

            if (stop - start == ChunkSize)
            {
                _chunks.TryRemove(chunk, out _);
            }
            else if (_chunks.TryGetValue(chunk, out byte[]? content))
            {
                content.AsSpan((int)(start % ChunkSize), (int)(stop - start)).Clear();
            }
        }

        return new(BlockStatus.Ok);
    }

    public ValueTask DisposeAsync()
    {
        _chunks.Clear();
        return ValueTask.CompletedTask;
    }

    private static (ulong Chunk, int Offset, int Length) Locate(ulong position, ulong length)
    {
        int offset = (int)(position % ChunkSize);
        return (position / ChunkSize, offset, (int)Math.Min(length, (ulong)(ChunkSize - offset)));
    }

    private bool Contains(ulong sector, ulong length)
    {
        ulong sectors = length / SectorSize;
        return length % SectorSize == 0 && sectors <= Geometry.SectorCount && sector <= Geometry.SectorCount - sectors;
    }
}
