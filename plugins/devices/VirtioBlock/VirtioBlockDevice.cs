using Vmm.Sdk;

namespace Vmm.Plugins.VirtioBlock;

/// <summary>A disk (VIRTIO 1.2, 5.2) in front of a storage backend.</summary>
[DeviceModel("virtio-block", Description = "virtio disk")]
public sealed class VirtioBlockDevice : VirtioDeviceModel
{
    private const int QueueSize = 256;

    private readonly IDeviceContext _context;
    private readonly IVirtioTransport _transport;
    private readonly IBlockBackend _backend;
    private readonly BlockCommands _commands;
    private readonly VirtioConfiguration _configuration = new(BlockConfiguration.Length);
    private readonly Stack<BlockRequest> _idle = new();
    private CancellationTokenSource _cancellation = new();

    public VirtioBlockDevice(VirtioBlockOptions options, IDeviceContext context, IVirtioTransport transport, IBlockBackend backend)
    {
        _context = context;
        _transport = transport;
        _backend = backend;
        _commands = new BlockCommands(backend, options.Serial.Length > 0 ? options.Serial : context.Name);
        BlockConfiguration.Fill(_configuration, backend.Geometry, options.Queues);
        ulong features = BlockFeatures.SegmentMaximum | BlockFeatures.BlockSize | BlockFeatures.Flush;
        features |= options.Queues > 1 ? BlockFeatures.MultipleQueues : 0;
        features |= backend.Geometry.ReadOnly ? BlockFeatures.ReadOnly : BlockFeatures.WriteZeroes;
        features |= !backend.Geometry.ReadOnly && backend is IDiscardableBlock ? BlockFeatures.Discard : 0;
        Identity = new VirtioIdentity(
            DeviceType: 2, ClassCode: 0x018000, features, BlockConfiguration.Length, [.. Enumerable.Repeat(QueueSize, options.Queues)]);
    }

    public override VirtioIdentity Identity { get; }

    public override void Attach()
    {
        if (_backend is IResizableBlock resizable)
        {
            resizable.SectorCountChanged += _ => _context.Post(() =>
            {
                BlockConfiguration.SetCapacity(_configuration, _backend.Geometry);
                _transport.NotifyConfigurationChanged();
            });
        }
    }

    public override bool AcceptFeatures(ulong features)
    {
        _commands.WriteThrough = (features & BlockFeatures.Flush) == 0;
        return base.AcceptFeatures(features);
    }

    public override ulong ReadConfiguration(uint offset, AccessWidth width) => _configuration.Read(offset, width);

    /// <summary>Ends what the backend still does: the driver waits until every chain is given back.</summary>
    public override void Reset(ResetKind kind)
    {
        _cancellation.Cancel();
        _cancellation.Dispose();
        _cancellation = new CancellationTokenSource();
    }

    public override void QueueNotified(IVirtioQueue queue)
    {
        while (queue.TryTake(out IVirtioChain? chain))
        {
            Start(chain);
        }
    }

    private void Start(IVirtioChain chain)
    {
        if (chain.Writable.Count == 0)
        {
            _transport.RequireReset("a disk request has no room for its status");
            chain.Complete(0);
            return;
        }

        BlockRequest request = _idle.TryPop(out BlockRequest? idle) ? idle : new BlockRequest(_context, FinishLater);
        request.Chain = chain;
        RequestStatus? answer;
        ValueTask<BlockStatus> work = default;
        try
        {
            answer = _commands.Start(request, _cancellation.Token, out work);
        }
        catch (Exception failed)
        {
            answer = Report(failed);
        }

        if (answer is { } status)
        {
            Finish(request, status);
        }
        else if (work.IsCompletedSuccessfully)
        {
            Finish(request, BlockCommands.StatusOf(work.Result));
        }
        else
        {
            request.Await(work);
        }
    }

    /// <summary>Under the gate again, after the backend worked elsewhere.</summary>
    private void FinishLater(BlockRequest request)
    {
        RequestStatus status;
        try
        {
            status = BlockCommands.StatusOf(request.Result());
        }
        catch (OperationCanceledException)
        {
            status = RequestStatus.IoError;
        }
        catch (Exception failed)
        {
            status = Report(failed);
        }

        Finish(request, status);
    }

    /// <summary>The status is the last byte that the device may write (5.2.6).</summary>
    private void Finish(BlockRequest request, RequestStatus status)
    {
        IVirtioChain chain = request.Chain!;
        chain.Writable[^1].Span[^1] = (byte)status;

        // Counted from the start, so that the status is among what was written also when no data came before it.
        chain.Complete((uint)chain.Writable.Length());
        request.Clear();
        _idle.Push(request);
    }

    private RequestStatus Report(Exception failed)
    {
        _context.Log.Write(DeviceLogLevel.Error, $"The storage backend failed: {failed.Message}");
        return RequestStatus.IoError;
    }
}
