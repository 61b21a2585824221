using Microsoft.Win32.SafeHandles;
using Vmm.Sdk;

namespace Vmm.Plugins.RawStorage;

/// <summary>A disk whose sectors stand in a file, in order.</summary>
[BlockBackend("raw", Description = "A plain file, sector by sector")]
public sealed class RawBackend : IBlockBackend, IDiscardableBlock
{
    private const int SectorSize = 512;

    /// <summary>Most buffers that one scatter-gather call takes (IOV_MAX of Linux).</summary>
    private const int MostBuffers = 1024;

    private readonly SafeFileHandle _file;
    private readonly PageCacheRead _pageCache = new();
    private readonly CacheMode _cache;

    /// <summary>Opens and locks the image.</summary>
    /// <exception cref="IOException">The image is missing, locked, unusable or not allowed to be opened.</exception>
    public RawBackend(RawOptions options)
    {
        _cache = options.Cache;
        _file = ImageFile.Open(options);
        try
        {
            long length = RandomAccess.GetLength(_file);
            if (length == 0)
            {
                throw new IOException($"Disk image '{options.Path}' is empty; give it a size, for instance with 'truncate -s 4G {options.Path}'.");
            }

            if (length % SectorSize != 0)
            {
                throw new IOException(
                    $"Disk image '{options.Path}' has {length} bytes, which is not a whole number of {SectorSize}-byte sectors; it may be truncated, or not a raw image.");
            }

            Geometry = new BlockGeometry(SectorSize, (ulong)length / SectorSize, options.ReadOnly);
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    public BlockGeometry Geometry { get; }

    public ValueTask<BlockStatus> ReadAsync(ulong sector, IReadOnlyList<Memory<byte>> buffers, CancellationToken cancellation)
    {
        long length = 0;
        for (int i = 0; i < buffers.Count; i++)
        {
            length += buffers[i].Length;
        }

        if (Check(sector, length, writing: false) is not BlockStatus.Ok and var refused)
        {
            return new(refused);
        }

        if (cancellation.IsCancellationRequested)
        {
            return new(BlockStatus.Cancelled);
        }

        long position = (long)sector * SectorSize;
        return _pageCache.TryRead(_file, position, buffers, length)
            ? new(BlockStatus.Ok)
            : ReadFileAsync(position, buffers, cancellation);
    }

    public async ValueTask<BlockStatus> WriteAsync(
        ulong sector, IReadOnlyList<ReadOnlyMemory<byte>> buffers, bool durable, CancellationToken cancellation)
    {
        if (Check(sector, LengthOf(buffers), writing: true) is not BlockStatus.Ok and var refused)
        {
            return refused;
        }

        try
        {
            long position = (long)sector * SectorSize;
            var rest = new Remaining<ReadOnlyMemory<byte>>(buffers, static (buffer, start) => buffer[start..], static buffer => buffer.Length);
            while (rest.Next(MostBuffers) is { Count: > 0 } part)
            {
                // Writes all of it or throws.
                await RandomAccess.WriteAsync(_file, part, position, cancellation).ConfigureAwait(false);
                long written = LengthOf(part);
                position += written;
                rest.Advance(written);
            }

            return durable ? await FlushAsync(cancellation).ConfigureAwait(false) : BlockStatus.Ok;
        }
        catch (Exception failed) when (StatusOf(failed) is { } status)
        {
            return status;
        }
    }

    public async ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation)
    {
        // A read-only file has nothing to flush, and O_SYNC has flushed each write already.
        if (Geometry.ReadOnly || _cache != CacheMode.WriteBack)
        {
            return BlockStatus.Ok;
        }

        try
        {
            await Task.Run(() => RandomAccess.FlushToDisk(_file), cancellation).ConfigureAwait(false);
            return BlockStatus.Ok;
        }
        catch (Exception failed) when (StatusOf(failed) is { } status)
        {
            return status;
        }
    }

    public async ValueTask<BlockStatus> DiscardAsync(ulong sector, ulong count, CancellationToken cancellation)
    {
        if (count > Geometry.SectorCount)
        {
            return BlockStatus.OutOfRange;
        }

        if (Check(sector, (long)count * SectorSize, writing: true) is not BlockStatus.Ok and var refused)
        {
            return refused;
        }

        if (count == 0)
        {
            return BlockStatus.Ok;
        }

        try
        {
            // Where holes cannot be punched the content stays, which a discard allows.
            await Task.Run(() => FileHoles.TryPunch(_file, (long)sector * SectorSize, (long)count * SectorSize), cancellation)
                .ConfigureAwait(false);
            return BlockStatus.Ok;
        }
        catch (Exception failed) when (StatusOf(failed) is { } status)
        {
            return status;
        }
    }

    public ValueTask DisposeAsync()
    {
        _file.Dispose();
        return ValueTask.CompletedTask;
    }

    private async ValueTask<BlockStatus> ReadFileAsync(long position, IReadOnlyList<Memory<byte>> buffers, CancellationToken cancellation)
    {
        try
        {
            var rest = new Remaining<Memory<byte>>(buffers, static (buffer, start) => buffer[start..], static buffer => buffer.Length);
            while (rest.Next(MostBuffers) is { Count: > 0 } part)
            {
                long read = await RandomAccess.ReadAsync(_file, part, position, cancellation).ConfigureAwait(false);
                if (read == 0)
                {
                    // Someone cut the file short behind our back.
                    return BlockStatus.MediumError;
                }

                position += read;
                rest.Advance(read);
            }

            return BlockStatus.Ok;
        }
        catch (Exception failed) when (StatusOf(failed) is { } status)
        {
            return status;
        }
    }

    private static long LengthOf(IReadOnlyList<ReadOnlyMemory<byte>> buffers)
    {
        long length = 0;
        for (int i = 0; i < buffers.Count; i++)
        {
            length += buffers[i].Length;
        }

        return length;
    }

    private BlockStatus Check(ulong sector, long length, bool writing)
    {
        if (writing && Geometry.ReadOnly)
        {
            return BlockStatus.ReadOnly;
        }

        ulong sectors = (ulong)length / SectorSize;
        return length % SectorSize == 0 && sectors <= Geometry.SectorCount && sector <= Geometry.SectorCount - sectors
            ? BlockStatus.Ok
            : BlockStatus.OutOfRange;
    }

    private static BlockStatus? StatusOf(Exception failed) => failed switch
    {
        OperationCanceledException => BlockStatus.Cancelled,
        ObjectDisposedException => BlockStatus.Cancelled,
        IOException { HResult: NoSpaceOnDevice or QuotaExceeded or DiskFullOnWindows } => BlockStatus.NoSpace,
        IOException or UnauthorizedAccessException => BlockStatus.MediumError,
        _ => null,
    };

    private const int NoSpaceOnDevice = 28;
    private const int QuotaExceeded = 122;
    private const int DiskFullOnWindows = unchecked((int)0x80070070);
}
