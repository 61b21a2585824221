using System.Buffers.Binary;
using System.Text;
using Vmm.Sdk;

namespace Vmm.Plugins.VirtioBlock;

/// <summary>Reads requests and hands them to the backend (VIRTIO 1.2, 5.2.6).</summary>
internal sealed class BlockCommands(IBlockBackend backend, string serial)
{
    private const int HeaderLength = 16, RangeLength = 16, SerialLength = 20, ZeroLength = 64 * 1024;
    private const uint Unmap = 1;

    private static readonly ReadOnlyMemory<byte> Zeros = new byte[ZeroLength];

    private readonly IDiscardableBlock? _discardable = backend as IDiscardableBlock;

    private enum RequestType : uint
    {
        In = 0,
        Out = 1,
        Flush = 4,
        GetId = 8,
        Discard = 11,
        WriteZeroes = 13,
    }

    /// <summary>Whether writes must reach stable storage by themselves: the driver has no flush (5.2.6.2).</summary>
    public bool WriteThrough { get; set; }

    /// <summary>Starts a request.</summary>
    /// <param name="request">The request with its chain, which has room for a status.</param>
    /// <param name="cancellation">Cancelled at a reset.</param>
    /// <param name="work">What the backend does, when nothing is answered yet.</param>
    /// <returns>The answer, or null while the backend works.</returns>
    public RequestStatus? Start(BlockRequest request, CancellationToken cancellation, out ValueTask<BlockStatus> work)
    {
        work = default;
        IVirtioChain chain = request.Chain!;
        Span<byte> header = stackalloc byte[HeaderLength];
        if (chain.Readable.Read(0, header) < HeaderLength)
        {
            return RequestStatus.IoError;
        }

        ulong sector = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        long given = chain.Readable.Length() - HeaderLength, room = chain.Writable.Length() - 1;
        switch ((RequestType)BinaryPrimitives.ReadUInt32LittleEndian(header))
        {
            case RequestType.In when ToBackend(sector, room, out ulong first):
                chain.Writable.AddRange(0, room, request.Target);
                work = backend.ReadAsync(first, request.Target, cancellation);
                return null;
            case RequestType.Out when backend.Geometry.ReadOnly || given == 0:
                return RequestStatus.IoError;
            case RequestType.Out when ToBackend(sector, given, out ulong first):
                chain.Readable.AddRange(HeaderLength, given, request.Source);
                work = backend.WriteAsync(first, request.Source, WriteThrough, cancellation);
                return null;
            case RequestType.Flush:
                work = backend.FlushAsync(cancellation);
                return null;
            case RequestType.GetId:
                WriteSerial(chain, room);
                return RequestStatus.Ok;
            case RequestType.WriteZeroes:
                return WriteZeroes(request, given, cancellation, out work);
            case RequestType.Discard when _discardable is not null:
                return Discard(chain, given, cancellation, out work);
            case RequestType.In or RequestType.Out:
                return RequestStatus.IoError;
            default:
                return RequestStatus.Unsupported;
        }
    }

    /// <summary>The answer for what the backend answered.</summary>
    public static RequestStatus StatusOf(BlockStatus status) => status == BlockStatus.Ok ? RequestStatus.Ok : RequestStatus.IoError;

    /// <summary>Turns sectors of the protocol into sectors of the disk; both ends must lie on borders of the latter.</summary>
    private bool ToBackend(ulong sector, long length, out ulong first)
    {
        uint ratio = (uint)backend.Geometry.SectorSize / BlockConfiguration.SectorSize;
        first = sector / ratio;
        return sector % ratio == 0 && length % backend.Geometry.SectorSize == 0;
    }

    private void WriteSerial(IVirtioChain chain, long room)
    {
        Span<byte> id = stackalloc byte[SerialLength];
        id.Clear();
        Encoding.ASCII.GetBytes(serial.AsSpan(0, Math.Min(serial.Length, SerialLength)), id);
        chain.Writable.Write(0, id[..(int)Math.Min(room, SerialLength)]);
    }

    private RequestStatus? WriteZeroes(BlockRequest request, long given, CancellationToken cancellation, out ValueTask<BlockStatus> work)
    {
        work = default;
        // A discard may leave the old content, so zeros are always written; UNMAP is only a permission (5.2.6.2).
        RequestStatus status = ReadRange(request.Chain!, given, 0, allowed: Unmap, out ulong first, out ulong count);
        if (status != RequestStatus.Ok || given != RangeLength || backend.Geometry.ReadOnly)
        {
            return status == RequestStatus.Ok ? RequestStatus.IoError : status;
        }

        for (long left = (long)count * backend.Geometry.SectorSize; left > 0; left -= ZeroLength)
        {
            request.Source.Add(Zeros[..(int)Math.Min(left, ZeroLength)]);
        }

        work = backend.WriteAsync(first, request.Source, WriteThrough, cancellation);
        return null;
    }

    private RequestStatus? Discard(IVirtioChain chain, long given, CancellationToken cancellation, out ValueTask<BlockStatus> work)
    {
        work = default;
        if (given == 0 || given % RangeLength != 0 || given / RangeLength > BlockConfiguration.MostDiscardRanges || backend.Geometry.ReadOnly)
        {
            return RequestStatus.IoError;
        }

        List<(ulong First, ulong Count)> ranges = [];
        for (int index = 0; index < given / RangeLength; index++)
        {
            RequestStatus status = ReadRange(chain, given, index, allowed: 0, out ulong first, out ulong count);
            if (status != RequestStatus.Ok)
            {
                return status;
            }

            ranges.Add((first, count));
        }

        work = DiscardAsync(ranges, cancellation);
        return null;
    }

    private async ValueTask<BlockStatus> DiscardAsync(List<(ulong First, ulong Count)> ranges, CancellationToken cancellation)
    {
        foreach ((ulong first, ulong count) in ranges)
        {
            BlockStatus status = await _discardable!.DiscardAsync(first, count, cancellation).ConfigureAwait(false);
            if (status != BlockStatus.Ok)
            {
                return status;
            }
        }

        return BlockStatus.Ok;
    }

    /// <summary>One struct virtio_blk_discard_write_zeroes: sector, number of sectors, flags.</summary>
    private RequestStatus ReadRange(IVirtioChain chain, long given, int index, uint allowed, out ulong first, out ulong count)
    {
        (first, count) = (0, 0);
        Span<byte> range = stackalloc byte[RangeLength];
        if (given < RangeLength * (index + 1) || chain.Readable.Read(HeaderLength + (RangeLength * index), range) < RangeLength)
        {
            return RequestStatus.IoError;
        }

        uint sectors = BinaryPrimitives.ReadUInt32LittleEndian(range[8..]);
        if ((BinaryPrimitives.ReadUInt32LittleEndian(range[12..]) & ~allowed) != 0)
        {
            return RequestStatus.Unsupported;
        }

        long length = (long)sectors * BlockConfiguration.SectorSize;
        bool legal = sectors <= BlockConfiguration.MostRangeSectors && ToBackend(BinaryPrimitives.ReadUInt64LittleEndian(range), length, out first);
        count = (ulong)(length / backend.Geometry.SectorSize);
        return legal ? RequestStatus.Ok : RequestStatus.IoError;
    }
}

/// <summary>The last byte of a request.</summary>
internal enum RequestStatus : byte
{
    Ok = 0,
    IoError = 1,
    Unsupported = 2,
}
