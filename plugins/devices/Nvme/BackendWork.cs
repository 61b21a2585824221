using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>
/// What the backend is working on. A request finishes at once when the backend answers at once, else under the
/// device's gate when it has. After <see cref="Stop"/> earlier requests finish without effect, and are only counted,
/// because they may still touch guest memory.
/// </summary>
internal sealed class BackendWork(IDeviceContext context, IoCommands commands, IBlockBackend backend, Action<IoRequest, BlockStatus> finished, Action stoppedOneEnded)
{
    private readonly Stack<IoRequest> _idle = new();
    private readonly HashSet<IoRequest> _pending = [];
    private CancellationTokenSource _cancellation = new();
    private int _generation;

    /// <summary>Requests that the backend has not answered, those of before a stop included.</summary>
    public int Pending => _pending.Count;

    /// <summary>The commands among them that still count.</summary>
    public IEnumerable<(ushort Queue, NvmeCommand Command)> PendingCommands => _pending
        .Where(request => request.Generation == _generation && request.Queue is not null)
        .Select(request => (request.Queue!.Id, request.Command));

    /// <summary>Starts an I/O command.</summary>
    /// <returns>Success when it is under way or finished, else the status to complete it with.</returns>
    public NvmeStatus Start(SubmissionQueue queue, in NvmeCommand command)
    {
        var request = Rent(queue, command);
        ValueTask<BlockStatus> work;
        NvmeStatus status;
        try
        {
            status = commands.Start(request, out work, _cancellation.Token);
        }
        catch (Exception failed)
        {
            Report(failed);
            status = NvmeStatus.InternalError;
            work = default;
        }

        if (status == NvmeStatus.Success)
        {
            Follow(request, work);
        }
        else
        {
            Return(request);
        }

        return status;
    }

    /// <summary>Starts the flush of a shutdown: a request without a queue.</summary>
    public void StartFlush()
    {
        var request = Rent(null, default);
        ValueTask<BlockStatus> work;
        try
        {
            work = backend.FlushAsync(_cancellation.Token);
        }
        catch (Exception failed)
        {
            Report(failed);
            work = new ValueTask<BlockStatus>(BlockStatus.MediumError);
        }

        Follow(request, work);
    }

    /// <summary>Cancels everything. What was pending does not count any more.</summary>
    public void Stop()
    {
        _generation++;
        _cancellation.Cancel();
        _cancellation.Dispose();
        _cancellation = new CancellationTokenSource();
    }

    /// <summary>Does not even wait for what was stopped: the machine was reset.</summary>
    public void Forget() => _pending.Clear();

    private void Follow(IoRequest request, ValueTask<BlockStatus> work)
    {
        if (work.IsCompletedSuccessfully)
        {
            Finish(request, work.Result);
        }
        else
        {
            _pending.Add(request);
            request.Await(work);
        }
    }

    /// <summary>Under the gate again, after the backend worked elsewhere.</summary>
    private void FinishLater(IoRequest request)
    {
        _pending.Remove(request);
        var status = ResultOf(request);
        if (request.Generation == _generation)
        {
            Finish(request, status);
        }
        else
        {
            Return(request);
            stoppedOneEnded();
        }
    }

    private void Finish(IoRequest request, BlockStatus status)
    {
        finished(request, status);
        Return(request);
    }

    private BlockStatus ResultOf(IoRequest request)
    {
        try
        {
            return request.Result();
        }
        catch (OperationCanceledException)
        {
            return BlockStatus.Cancelled;
        }
        catch (Exception failed)
        {
            Report(failed);
            return BlockStatus.MediumError;
        }
    }

    private void Report(Exception failed) =>
        context.Log.Write(DeviceLogLevel.Error, $"The storage backend failed: {failed.Message}");

    private IoRequest Rent(SubmissionQueue? queue, in NvmeCommand command)
    {
        var request = _idle.TryPop(out var idle) ? idle : new IoRequest(context, FinishLater);
        request.Begin(queue, command, _generation);
        return request;
    }

    private void Return(IoRequest request)
    {
        request.End();
        _idle.Push(request);
    }
}
