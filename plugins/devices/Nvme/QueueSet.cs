using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>The queues of the controller: number 0 are the admin queues, the others are made and deleted by command.</summary>
internal sealed class QueueSet(int ioQueues)
{
    private const uint PhysicallyContiguous = 1 << 0;
    private const uint InterruptsEnabled = 1 << 1;

    private readonly SubmissionQueue?[] _submission = new SubmissionQueue?[ioQueues + 1];
    private readonly CompletionQueue?[] _completion = new CompletionQueue?[ioQueues + 1];

    /// <summary>Interrupt vectors: one for the admin queue and one for each I/O queue.</summary>
    public int Vectors => ioQueues + 1;

    public ReadOnlySpan<SubmissionQueue?> Submission => _submission;

    public ReadOnlySpan<CompletionQueue?> Completion => _completion;

    public bool HasIoQueues => _completion.AsSpan(1).ContainsAnyExcept((CompletionQueue?)null);

    public SubmissionQueue? FindSubmission(int id) => (uint)id < (uint)_submission.Length ? _submission[id] : null;

    public CompletionQueue? FindCompletion(int id) => (uint)id < (uint)_completion.Length ? _completion[id] : null;

    public void Clear()
    {
        Array.Clear(_submission);
        Array.Clear(_completion);
    }

    /// <summary>Makes the admin queues as AQA, ASQ and ACQ say.</summary>
    public void CreateAdmin(ulong submissionAddress, int submissionSize, ulong completionAddress, int completionSize)
    {
        var completions = new CompletionQueue(0, completionAddress, completionSize, interrupts: true, vector: 0) { Users = 1 };
        _completion[0] = completions;
        _submission[0] = new SubmissionQueue(0, submissionAddress, submissionSize, completions);
    }

    /// <summary>Create I/O Completion Queue (NVMe 1.4, 5.3).</summary>
    public NvmeStatus CreateCompletion(in NvmeCommand command, bool usesPin)
    {
        ushort id = (ushort)command.Dword10;
        int vector = (int)(command.Dword11 >> 16);
        if (CheckNew(command, id, FindCompletion(id) is not null) is not NvmeStatus.Success and var refused)
        {
            return refused;
        }

        // A pin has one vector (5.3: "shall be cleared to 0h" for pin-based and single MSI).
        if (vector >= (usesPin ? 1 : Vectors))
        {
            return NvmeStatus.InvalidInterruptVector;
        }

        _completion[id] = new CompletionQueue(id, command.Prp1, SizeOf(command), (command.Dword11 & InterruptsEnabled) != 0, (ushort)vector);
        return NvmeStatus.Success;
    }

    /// <summary>Create I/O Submission Queue (NVMe 1.4, 5.4).</summary>
    public NvmeStatus CreateSubmission(in NvmeCommand command)
    {
        ushort id = (ushort)command.Dword10;
        int completionId = (int)(command.Dword11 >> 16);
        if (completionId == 0 || FindCompletion(completionId) is not { } completions)
        {
            return NvmeStatus.CompletionQueueInvalid;
        }

        if (CheckNew(command, id, FindSubmission(id) is not null) is not NvmeStatus.Success and var refused)
        {
            return refused;
        }

        completions.Users++;
        _submission[id] = new SubmissionQueue(id, command.Prp1, SizeOf(command), completions);
        return NvmeStatus.Success;
    }

    /// <summary>Delete I/O Completion Queue (NVMe 1.4, 5.5).</summary>
    public NvmeStatus DeleteCompletion(ushort id)
    {
        if (id == 0 || FindCompletion(id) is not { } queue)
        {
            return NvmeStatus.InvalidQueueIdentifier;
        }

        if (queue.Users > 0)
        {
            return NvmeStatus.InvalidQueueDeletion;
        }

        _completion[id] = null;
        return NvmeStatus.Success;
    }

    /// <summary>Removes a submission queue that has no commands under way.</summary>
    public void Remove(SubmissionQueue queue)
    {
        queue.Completions.Users--;
        _submission[queue.Id] = null;
    }

    public void Save(IStateWriter state)
    {
        for (int id = 0; id <= ioQueues; id++)
        {
            if (_completion[id] is { } completions)
            {
                state.Section(1 + id, completions.Save);
            }

            if (_submission[id] is { } submissions)
            {
                state.Section(0x100 + id, submissions.Save);
            }
        }
    }

    public void Restore(IStateReader state)
    {
        Clear();
        for (int i = 0; i <= ioQueues; i++)
        {
            ushort id = (ushort)i;
            state.Section(1 + id, section => _completion[id] = CompletionQueue.Restore(section, id, Vectors));
        }

        for (int i = 0; i <= ioQueues; i++)
        {
            ushort id = (ushort)i;
            state.Section(0x100 + id, section => _submission[id] = SubmissionQueue.Restore(section, id, found => FindCompletion(found)));
        }
    }

    private static int SizeOf(in NvmeCommand command) => (int)(command.Dword10 >> 16) + 1;

    private NvmeStatus CheckNew(in NvmeCommand command, ushort id, bool exists)
    {
        if (id == 0 || id > ioQueues || exists)
        {
            return NvmeStatus.InvalidQueueIdentifier;
        }

        if (SizeOf(command) is < QueueLimits.LeastEntries or > QueueLimits.MostEntries)
        {
            return NvmeStatus.InvalidQueueSize;
        }

        // CAP.CQR is set: queues are contiguous.
        if ((command.Dword11 & PhysicallyContiguous) == 0)
        {
            return NvmeStatus.InvalidField;
        }

        return command.Prp1 % QueueLimits.PageSize == 0 ? NvmeStatus.Success : NvmeStatus.PrpOffsetInvalid;
    }
}
