using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>
/// The life of the controller: enabling, reset and shutdown (NVMe 1.4, 7.3 and 7.6), fetching commands and completing
/// them. Everything runs under the device's gate; only the backend works elsewhere.
/// </summary>
internal sealed class NvmeController
{
    private readonly IDeviceContext _context;
    private readonly IPciSlot _slot;
    private readonly IBlockBackend _backend;
    private readonly ControllerRegisters _registers;
    private readonly QueueSet _queues;
    private readonly FeatureSet _features;
    private readonly LogPages _logs;
    private readonly AsynchronousEvents _events = new();
    private readonly AdminCommands _admin;
    private readonly IoCommands _io;
    private readonly InterruptOutput _interrupts;
    private readonly IVirtualTimer _resume;
    private readonly Stack<IoRequest> _idle = new();
    private readonly HashSet<IoRequest> _pending = [];
    private readonly List<(ushort Queue, NvmeCommand Command)> _restored = [];
    private CancellationTokenSource _cancellation = new();
    private int _generation;
    private bool _draining;

    public NvmeController(
        IDeviceContext context,
        IPciSlot slot,
        IMessageInterrupts messages,
        IBlockBackend backend,
        ControllerRegisters registers,
        QueueSet queues,
        FeatureSet features,
        IdentifyData identify)
    {
        _context = context;
        _slot = slot;
        _backend = backend;
        _registers = registers;
        _queues = queues;
        _features = features;
        _logs = new LogPages(context.Clock, features);
        _admin = new AdminCommands(context, messages, registers, queues, features, identify, _logs, _events);
        _io = new IoCommands(context.Memory, backend, features);
        _interrupts = new InterruptOutput(slot.InterruptPin, messages, queues);
        _resume = context.Clock.CreateTimer("resume", Resume);
    }

    private bool Running => _registers is { Ready: true, Enabled: true, Fatal: false } && !_draining;

    /// <summary>Acts on CC.</summary>
    public void Configure(uint configuration)
    {
        bool wasEnabled = _registers.Enabled;
        _registers.Configuration = configuration;
        if (wasEnabled && !_registers.Enabled)
        {
            Disable();
        }
        else if (!wasEnabled && _registers.Enabled)
        {
            TryEnable();
        }

        if (_registers is { ShutdownRequested: true, Shutdown: ShutdownStatus.None })
        {
            BeginShutdown();
        }
    }

    public void SetInterruptMask(uint mask)
    {
        _registers.InterruptMask = mask;
        _interrupts.UpdatePin(mask);
    }

    /// <summary>A write to a submission queue's tail doorbell.</summary>
    public void MoveTail(int id, uint value)
    {
        if (!Running)
        {
            return;
        }

        if (_queues.FindSubmission(id) is not { } queue)
        {
            Raise(EventType.Error, EventInformation.InvalidDoorbellRegister);
        }
        else if (!queue.TryMoveTail(value))
        {
            Raise(EventType.Error, EventInformation.InvalidDoorbellValue);
        }
        else
        {
            Process(queue);
        }
    }

    /// <summary>A write to a completion queue's head doorbell.</summary>
    public void MoveHead(int id, uint value)
    {
        if (!Running)
        {
            return;
        }

        if (_queues.FindCompletion(id) is not { } queue)
        {
            Raise(EventType.Error, EventInformation.InvalidDoorbellRegister);
        }
        else if (!queue.TryMoveHead(value))
        {
            Raise(EventType.Error, EventInformation.InvalidDoorbellValue);
        }
        else
        {
            _interrupts.UpdatePin(_registers.InterruptMask);

            // Events and commands that waited for a place in this queue have one now.
            foreach (var submission in _queues.Submission)
            {
                if (submission?.Completions == queue)
                {
                    Process(submission);
                }
            }
        }
    }

    /// <summary>Power-on or reset of the machine: what the backend still does is forgotten.</summary>
    public void Reset()
    {
        Forget();
        _resume.Cancel();
        _features.Reset();
        _registers.ResetAll();
        _interrupts.UpdatePin(_registers.InterruptMask);
    }

    public void Save(IStateWriter state)
    {
        state.Section(2, _queues.Save);
        state.Section(3, _features.Save);
        state.Section(4, _events.Save);
        state.Section(5, _logs.Health.Save);
        state.UInt64(6, _logs.Errors.Count);

        // What the backend works on is started again after a restore: every command may be done twice.
        (ushort Queue, NvmeCommand Command)[] commands =
        [
            .. _restored,
            .. _pending.Where(request => request.Generation == _generation && request.Queue is not null)
                .Select(request => (request.Queue!.Id, request.Command)),
        ];
        state.UInt32(7, (uint)commands.Length);
        state.Section(8, section => PendingCommands.Save(section, commands));
    }

    public void Restore(IStateReader state)
    {
        Forget();
        state.Section(2, _queues.Restore);
        state.Section(3, _features.Restore);
        state.Section(4, _events.Restore);
        state.Section(5, _logs.Health.Restore);
        _logs.Errors.Count = state.UInt64(6);
        uint count = state.UInt32(7);
        state.Section(8, section => PendingCommands.Restore(section, count, _queues, _restored));
        if (_registers.Ready && _queues.FindSubmission(0) is null)
        {
            throw new StateException("The controller is ready but has no admin queues.");
        }

        if (!_registers.Enabled)
        {
            // A reset was waiting for the backend, which has nothing to do for this controller any more.
            _registers.Ready = false;
        }

        _resume.Arm(_context.Clock.NowNanoseconds);
    }

    /// <summary>The machine runs again after a restore: goes on with what the saved controller had begun.</summary>
    private void Resume()
    {
        foreach (var (id, command) in _restored)
        {
            if (_queues.FindSubmission(id) is { } queue)
            {
                StartIo(queue, command);
            }
        }

        _restored.Clear();
        if (_registers.Shutdown == ShutdownStatus.Occurring)
        {
            BeginShutdown();
        }

        _interrupts.UpdatePin(_registers.InterruptMask);
        foreach (var queue in _queues.Submission)
        {
            if (queue is not null && Running)
            {
                Process(queue);
            }
        }
    }

    private void TryEnable()
    {
        if (_draining)
        {
            // The reset before is not over; its end comes back here.
            return;
        }

        if (!_registers.CanEnable)
        {
            _registers.Fatal = true;
            return;
        }

        _queues.CreateAdmin(
            _registers.AdminSubmission, _registers.AdminSubmissionSize, _registers.AdminCompletion, _registers.AdminCompletionSize);
        _registers.Ready = true;
    }

    private void Disable()
    {
        StopQueues();
        _features.Reset();
        _registers.ResetController();
        _interrupts.UpdatePin(_registers.InterruptMask);
        _draining = true;
        EndDisable();
    }

    /// <summary>CSTS.RDY stays until nothing touches guest memory any more (7.3.2).</summary>
    private void EndDisable()
    {
        if (_draining && _pending.Count == 0)
        {
            _draining = false;
            _registers.Ready = false;
            if (_registers.Enabled)
            {
                TryEnable();
            }
        }
    }

    private void Forget()
    {
        StopQueues();
        _pending.Clear();
        _restored.Clear();
        _draining = false;
    }

    private void StopQueues()
    {
        _generation++;
        _cancellation.Cancel();
        _cancellation.Dispose();
        _cancellation = new CancellationTokenSource();
        _queues.Clear();
        _events.Reset();
    }

    private void BeginShutdown()
    {
        _registers.Shutdown = ShutdownStatus.Occurring;
        var request = Rent(null, default);
        ValueTask<BlockStatus> work;
        try
        {
            work = _backend.FlushAsync(_cancellation.Token);
        }
        catch (Exception failed)
        {
            Report(failed);
            work = new ValueTask<BlockStatus>(BlockStatus.MediumError);
        }

        Follow(request, work);
    }

    /// <summary>Fetches commands while their completions have places.</summary>
    private void Process(SubmissionQueue queue)
    {
        var completions = queue.Completions;
        if (queue.Id == 0)
        {
            DeliverEvents(queue);
        }

        while (!queue.IsEmpty && completions.HasRoom && queue.DeletedBy is null && Running && _slot.BusMasterEnabled)
        {
            if (!queue.TryFetch(_context.Memory, out var command))
            {
                Fail();
                return;
            }

            completions.Reserved++;
            queue.Outstanding++;
            if (queue.Id == 0)
            {
                ExecuteAdmin(queue, command);
            }
            else
            {
                StartIo(queue, command);
            }
        }

        _interrupts.Notify(completions, _registers.InterruptMask);
    }

    private void ExecuteAdmin(SubmissionQueue queue, in NvmeCommand command)
    {
        var outcome = _admin.Execute(command);
        if (!outcome.Waits)
        {
            Complete(queue, command, outcome.Status, outcome.Result);
        }
        else if (command.Opcode == (byte)AdminOpcode.AsynchronousEventRequest)
        {
            queue.Completions.Reserved--;
            queue.Outstanding--;
        }

        DeliverEvents(queue);
    }

    private void StartIo(SubmissionQueue queue, in NvmeCommand command)
    {
        var request = Rent(queue, command);
        ValueTask<BlockStatus> work;
        NvmeStatus status;
        try
        {
            status = _io.Start(request, out work, _cancellation.Token);
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
            Complete(queue, command, status);
        }
    }

    /// <summary>Finishes a request at once when the backend has, else when it will have.</summary>
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

    /// <summary>Under the gate again after the backend worked elsewhere.</summary>
    private void FinishLater(IoRequest request)
    {
        _pending.Remove(request);
        var status = ResultOf(request);
        if (request.Generation == _generation)
        {
            var completions = request.Queue?.Completions;
            Finish(request, status);
            if (completions is not null)
            {
                _interrupts.Notify(completions, _registers.InterruptMask);
            }
        }
        else
        {
            Return(request);
            EndDisable();
        }
    }

    private void Finish(IoRequest request, BlockStatus result)
    {
        var (queue, command, length) = (request.Queue, request.Command, request.Length);
        Return(request);
        if (queue is null)
        {
            _registers.Shutdown = ShutdownStatus.Complete;
            return;
        }

        var status = IoCommands.StatusOf(result, command);
        if (status == NvmeStatus.Success)
        {
            _logs.Health.Count(command, length);
        }
        else if (result == BlockStatus.MediumError)
        {
            _logs.Health.MediaErrors++;
        }

        Complete(queue, command, status);
    }

    private void Complete(SubmissionQueue queue, in NvmeCommand command, NvmeStatus status, uint result = 0)
    {
        if (status != NvmeStatus.Success)
        {
            _logs.Errors.Add(queue.Id, command, status);
        }

        queue.Completions.Reserved--;
        queue.Outstanding--;
        Post(queue, command.CommandId, status, result);
        if (queue is { DeletedBy: { } deletion, Outstanding: 0 } && _queues.FindSubmission(0) is { } admin)
        {
            _queues.Remove(queue);
            admin.Completions.Reserved--;
            admin.Outstanding--;
            Post(admin, deletion, NvmeStatus.Success, 0);
            _interrupts.Notify(admin.Completions, _registers.InterruptMask);
        }
    }

    private void Post(SubmissionQueue queue, ushort commandId, NvmeStatus status, uint result)
    {
        if (!Running)
        {
            return;
        }

        if (!_slot.BusMasterEnabled || !queue.Completions.TryPost(_context.Memory, queue.Head, queue.Id, commandId, status, result))
        {
            Fail();
        }
    }

    private void Raise(EventType type, EventInformation information)
    {
        _events.Raise(type, information);
        if (_queues.FindSubmission(0) is { } admin)
        {
            DeliverEvents(admin);
            _interrupts.Notify(admin.Completions, _registers.InterruptMask);
        }
    }

    private void DeliverEvents(SubmissionQueue admin)
    {
        while (Running && admin.Completions.HasRoom && _events.TryDeliver(out ushort commandId, out uint result))
        {
            Post(admin, commandId, NvmeStatus.Success, result);
        }
    }

    /// <summary>A queue is not in memory: nothing can be said to the guest but CSTS.CFS (9.5).</summary>
    private void Fail() => _registers.Fatal = true;

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
        _context.Log.Write(DeviceLogLevel.Error, $"The storage backend failed: {failed.Message}");

    private IoRequest Rent(SubmissionQueue? queue, in NvmeCommand command)
    {
        var request = _idle.TryPop(out var idle) ? idle : new IoRequest(_context, FinishLater);
        request.Begin(queue, command, _generation);
        return request;
    }

    private void Return(IoRequest request)
    {
        request.End();
        _idle.Push(request);
    }
}
