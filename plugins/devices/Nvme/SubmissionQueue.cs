using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>A submission queue (NVMe 1.4, 4.1): the guest moves the tail, the controller the head.</summary>
internal sealed class SubmissionQueue(ushort id, ulong address, int size, CompletionQueue completions)
{
    public ushort Id => id;

    public CompletionQueue Completions => completions;

    public ushort Head { get; private set; }

    public ushort Tail { get; private set; }

    public bool IsEmpty => Head == Tail;

    /// <summary>Commands fetched and not completed.</summary>
    public int Outstanding { get; set; }

    /// <summary>The admin command that deletes this queue and waits for the outstanding commands.</summary>
    public ushort? DeletedBy { get; set; }

    /// <summary>A write to the tail doorbell.</summary>
    /// <returns>False for a value outside the queue.</returns>
    public bool TryMoveTail(uint tail)
    {
        if (tail >= size)
        {
            return false;
        }

        Tail = (ushort)tail;
        return true;
    }

    /// <summary>Takes the entry at the head.</summary>
    /// <returns>False when the queue is not in memory.</returns>
    public bool TryFetch(IGuestMemory memory, out NvmeCommand command)
    {
        Span<byte> entry = stackalloc byte[NvmeCommand.Length];
        if (!memory.TryRead(address + ((ulong)Head * NvmeCommand.Length), entry))
        {
            command = default;
            return false;
        }

        Head = (ushort)(Head + 1 == size ? 0 : Head + 1);
        command = NvmeCommand.From(entry);
        return true;
    }

    public void Save(IStateWriter state)
    {
        state.UInt64(1, address);
        state.UInt32(2, (uint)size);
        state.UInt16(3, completions.Id);
        state.UInt16(4, Head);
        state.UInt16(5, Tail);
        state.UInt32(6, DeletedBy is { } command ? command : uint.MaxValue);
    }

    public static SubmissionQueue Restore(IStateReader state, ushort id, Func<ushort, CompletionQueue?> find)
    {
        int size = QueueLimits.CheckedSize(state.UInt32(2));
        var completions = find(state.UInt16(3)) ?? throw new StateException($"Submission queue {id} has no completion queue.");
        var queue = new SubmissionQueue(id, state.UInt64(1), size, completions) { Head = state.UInt16(4), Tail = state.UInt16(5) };
        if (queue.Head >= size || queue.Tail >= size)
        {
            throw new StateException($"Submission queue {id} of {size} entries cannot have head {queue.Head} and tail {queue.Tail}.");
        }

        uint deletedBy = state.UInt32(6, uint.MaxValue);
        queue.DeletedBy = deletedBy <= ushort.MaxValue ? (ushort)deletedBy : null;
        completions.Users++;
        return queue;
    }
}
