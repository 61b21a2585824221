using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>
/// Fetches commands when doorbells ring, has them done, and completes them (NVMe 1.4, 7.2). Everything runs under the
/// device's gate.
/// </summary>
internal sealed class CommandProcessor
{
    private readonly IGuestMemory _memory;
    private readonly IPciSlot _slot;
    private readonly ControllerRegisters _registers;
    private readonly QueueSet _queues;
    private readonly AsynchronousEvents _events;
    private readonly LogPages _logs;
    private readonly AdminCommands _admin;
    private readonly BackendWork _work;
    private readonly InterruptOutput _interrupts;

    public CommandProcessor(
        IDeviceContext context,
        IPciSlot slot,
        IBlockBackend backend,
        ControllerRegisters registers,
        QueueSet queues,
        FeatureSet features,
        AsynchronousEvents events,
        LogPages logs,
        AdminCommands admin,
        InterruptOutput interrupts,
        Action stoppedOneEnded)
    {
        _memory = context.Memory;
        _slot = slot;
        _registers = registers;
        _queues = queues;
        _events = events;
        _logs = logs;
        _admin = admin;
        _interrupts = interrupts;
        _work = new BackendWork(context, new IoCommands(context.Memory, backend, features), backend, Finish, stoppedOneEnded);
    }

    public BackendWork Work => _work;

    /// <summary>A write to a submission queue's tail doorbell.</summary>
    public void MoveTail(int id, uint value)
    {
        if (!_registers.Running)
        {
            return;
        }

        if (_queues.FindSubmission(id) is not { } queue)
        {
            Raise(EventInformation.InvalidDoorbellRegister);
        }
        else if (!queue.TryMoveTail(value))
        {
            Raise(EventInformation.InvalidDoorbellValue);
        }
        else
        {
            Process(queue);
        }
    }

    /// <summary>A write to a completion queue's head doorbell.</summary>
    public void MoveHead(int id, uint value)
    {
        if (!_registers.Running)
        {
            return;
        }

        if (_queues.FindCompletion(id) is not { } queue)
        {
            Raise(EventInformation.InvalidDoorbellRegister);
        }
        else if (!queue.TryMoveHead(value))
        {
            Raise(EventInformation.InvalidDoorbellValue);
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

    /// <summary>Goes on after a restore, with the commands that were under way first.</summary>
    public void Resume(IEnumerable<(ushort Queue, NvmeCommand Command)> commands)
    {
        foreach (var (id, command) in commands)
        {
            if (_queues.FindSubmission(id) is { } queue)
            {
                StartIo(queue, command);
            }
        }

        foreach (var queue in _queues.Submission)
        {
            if (queue is not null && _registers.Running)
            {
                Process(queue);
            }
        }
    }

    /// <summary>Fetches commands while their completions have places.</summary>
    private void Process(SubmissionQueue queue)
    {
        var completions = queue.Completions;
        if (queue.Id == 0)
        {
            DeliverEvents(queue);
        }

        while (!queue.IsEmpty && completions.HasRoom && queue.DeletedBy is null && _registers.Running && _slot.BusMasterEnabled)
        {
            if (!queue.TryFetch(_memory, out var command))
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
        if (_work.Start(queue, command) is not NvmeStatus.Success and var refused)
        {
            Complete(queue, command, refused);
        }
    }

    /// <summary>The backend answered.</summary>
    private void Finish(IoRequest request, BlockStatus result)
    {
        if (request.Queue is not { } queue)
        {
            _registers.Shutdown = ShutdownStatus.Complete;
            return;
        }

        var command = request.Command;
        var status = IoCommands.StatusOf(result, command);
        if (status == NvmeStatus.Success)
        {
            _logs.Health.Count(command, request.Length);
        }
        else if (result == BlockStatus.MediumError)
        {
            _logs.Health.MediaErrors++;
        }

        Complete(queue, command, status);
        if (request.IsLate)
        {
            // Nobody collects these into a batch.
            _interrupts.Notify(queue.Completions, _registers.InterruptMask);
        }
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
        if (!_registers.Running)
        {
            return;
        }

        if (!_slot.BusMasterEnabled || !queue.Completions.TryPost(_memory, queue.Head, queue.Id, commandId, status, result))
        {
            Fail();
        }
    }

    private void Raise(EventInformation information)
    {
        _events.Raise(EventType.Error, information);
        if (_queues.FindSubmission(0) is { } admin)
        {
            DeliverEvents(admin);
            _interrupts.Notify(admin.Completions, _registers.InterruptMask);
        }
    }

    private void DeliverEvents(SubmissionQueue admin)
    {
        while (_registers.Running && admin.Completions.HasRoom && _events.TryDeliver(out ushort commandId, out uint result))
        {
            Post(admin, commandId, NvmeStatus.Success, result);
        }
    }

    /// <summary>A queue is not in memory: nothing can be said to the guest but CSTS.CFS (9.5).</summary>
    private void Fail() => _registers.Fatal = true;
}
