using System.Buffers.Binary;
using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>The NVM command set (NVMe 1.4, chapter 6): checks a command, finds its memory, and hands it to the backend.</summary>
internal sealed class IoCommands(IGuestMemory memory, IBlockBackend backend, FeatureSet features)
{
    private const uint ForceUnitAccess = 1 << 30;
    private const uint AttributeDeallocate = 1 << 2;
    private const int RangeLength = 16;
    private const int ZeroLength = 64 * 1024;

    private static readonly ReadOnlyMemory<byte> Zeros = new byte[ZeroLength];

    private readonly IDiscardableBlock? _discardable = backend as IDiscardableBlock;

    /// <summary>Starts a command.</summary>
    /// <param name="request">The command; takes the buffers.</param>
    /// <param name="work">What the backend does, when the status is success.</param>
    /// <param name="cancellation">Cancelled when the controller is reset.</param>
    public NvmeStatus Start(IoRequest request, out ValueTask<BlockStatus> work, CancellationToken cancellation)
    {
        work = new ValueTask<BlockStatus>(BlockStatus.Ok);
        var command = request.Command;
        if (command.UsesUnsupportedForm)
        {
            return NvmeStatus.InvalidField;
        }

        var opcode = (IoOpcode)command.Opcode;
        if (opcode is not (IoOpcode.Flush or IoOpcode.Read or IoOpcode.Write or IoOpcode.WriteZeroes or IoOpcode.DatasetManagement))
        {
            return NvmeStatus.InvalidOpcode;
        }

        if (command.NamespaceId != IdentifyData.OnlyNamespace && !(opcode == IoOpcode.Flush && command.NamespaceId == uint.MaxValue))
        {
            return NvmeStatus.InvalidNamespaceOrFormat;
        }

        switch (opcode)
        {
            case IoOpcode.Flush:
                work = backend.FlushAsync(cancellation);
                return NvmeStatus.Success;
            case IoOpcode.DatasetManagement:
                return ManageDataset(request, out work, cancellation);
            default:
                return Transfer(opcode, request, out work, cancellation);
        }
    }

    /// <summary>The status for what the backend answered.</summary>
    public static NvmeStatus StatusOf(BlockStatus status, in NvmeCommand command) => status switch
    {
        BlockStatus.Ok => NvmeStatus.Success,
        BlockStatus.OutOfRange => NvmeStatus.LbaOutOfRange,
        BlockStatus.ReadOnly => NvmeStatus.NamespaceWriteProtected,
        BlockStatus.MediumError => command.Opcode == (byte)IoOpcode.Read ? NvmeStatus.UnrecoveredReadError : NvmeStatus.WriteFault,
        BlockStatus.NoSpace => NvmeStatus.CapacityExceeded,
        BlockStatus.Cancelled => NvmeStatus.CommandAbortRequested,
        _ => NvmeStatus.InternalError,
    };

    private NvmeStatus Transfer(IoOpcode opcode, IoRequest request, out ValueTask<BlockStatus> work, CancellationToken cancellation)
    {
        work = new ValueTask<BlockStatus>(BlockStatus.Ok);
        var command = request.Command;
        var geometry = backend.Geometry;
        ulong first = command.Dword10 | ((ulong)command.Dword11 << 32);
        uint count = (command.Dword12 & 0xffff) + 1;
        long length = (long)count * geometry.SectorSize;
        bool moves = opcode != IoOpcode.WriteZeroes;
        if (moves && length > QueueLimits.LargestTransfer)
        {
            return NvmeStatus.InvalidField;
        }

        if (!Contains(geometry, first, count))
        {
            return NvmeStatus.LbaOutOfRange;
        }

        if (opcode != IoOpcode.Read && geometry.ReadOnly)
        {
            return NvmeStatus.NamespaceWriteProtected;
        }

        bool durable = (command.Dword12 & ForceUnitAccess) != 0 || !features.WriteCacheEnabled;
        if (!moves)
        {
            AddZeros(request.Source, length);
            work = backend.WriteAsync(first, request.Source, durable, cancellation);
            return NvmeStatus.Success;
        }

        var access = opcode == IoOpcode.Read ? GuestAccess.Write : GuestAccess.Read;
        var status = new PhysicalRegionPages(memory, access, request.Buffers).Map(command.Prp1, command.Prp2, (int)length);
        if (status != NvmeStatus.Success)
        {
            return status;
        }

        request.Length = (int)length;
        if (opcode == IoOpcode.Read)
        {
            work = backend.ReadAsync(first, request.Buffers, cancellation);
            return NvmeStatus.Success;
        }

        foreach (var buffer in request.Buffers)
        {
            request.Source.Add(buffer);
        }

        work = backend.WriteAsync(first, request.Source, durable, cancellation);
        return NvmeStatus.Success;
    }

    private static void AddZeros(List<ReadOnlyMemory<byte>> source, long length)
    {
        for (; length > 0; length -= ZeroLength)
        {
            source.Add(Zeros[..(int)Math.Min(length, ZeroLength)]);
        }
    }

    /// <summary>Dataset Management (6.7): deallocation is the one attribute that means something here.</summary>
    private NvmeStatus ManageDataset(IoRequest request, out ValueTask<BlockStatus> work, CancellationToken cancellation)
    {
        work = new ValueTask<BlockStatus>(BlockStatus.Ok);
        var command = request.Command;
        var geometry = backend.Geometry;
        int count = (int)(command.Dword10 & 0xff) + 1;
        var status = new PhysicalRegionPages(memory, GuestAccess.Read, request.Buffers).Map(command.Prp1, command.Prp2, count * RangeLength);
        if (status != NvmeStatus.Success)
        {
            return status;
        }

        Span<byte> data = stackalloc byte[count * RangeLength];
        Gather(request.Buffers, data);
        var ranges = new (ulong First, uint Count)[count];
        for (int i = 0; i < count; i++)
        {
            // A range: context attributes, length in blocks, first block.
            var range = data.Slice(i * RangeLength, RangeLength);
            ranges[i] = (BinaryPrimitives.ReadUInt64LittleEndian(range[8..]), BinaryPrimitives.ReadUInt32LittleEndian(range[4..]));
            if (!Contains(geometry, ranges[i].First, ranges[i].Count))
            {
                return NvmeStatus.LbaOutOfRange;
            }
        }

        if ((command.Dword11 & AttributeDeallocate) == 0)
        {
            return NvmeStatus.Success;
        }

        if (geometry.ReadOnly)
        {
            return NvmeStatus.NamespaceWriteProtected;
        }

        if (_discardable is not null)
        {
            work = DiscardAsync(_discardable, ranges, cancellation);
        }

        return NvmeStatus.Success;
    }

    private static async ValueTask<BlockStatus> DiscardAsync(
        IDiscardableBlock disk, (ulong First, uint Count)[] ranges, CancellationToken cancellation)
    {
        foreach (var (first, count) in ranges)
        {
            if (await disk.DiscardAsync(first, count, cancellation).ConfigureAwait(false) is not BlockStatus.Ok and var failed)
            {
                return failed;
            }
        }

        return BlockStatus.Ok;
    }

    private static void Gather(List<Memory<byte>> buffers, Span<byte> data)
    {
        foreach (var buffer in buffers)
        {
            buffer.Span.CopyTo(data);
            data = data[buffer.Length..];
        }
    }

    private static bool Contains(in BlockGeometry geometry, ulong first, uint count) =>
        count <= geometry.SectorCount && first <= geometry.SectorCount - count;
}
