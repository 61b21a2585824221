using System.Buffers.Binary;
using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>
/// A completion queue (NVMe 1.4, 4.1 and 4.6): the controller moves the tail, the guest the head. Every command
/// reserves its entry before it is fetched, so that a completion always has a place, however slow the guest.
/// </summary>
internal sealed class CompletionQueue(ushort id, ulong address, int size, bool interrupts, ushort vector)
{
    private const int EntryLength = 16;
    private const uint PhaseTag = 1u << 16;
    private const uint More = 1u << 30;
    private const uint DoNotRetry = 1u << 31;

    private bool _phase = true;

    public ushort Id => id;

    public ushort Vector => vector;

    public bool InterruptsEnabled => interrupts;

    public ushort Head { get; private set; }

    public ushort Tail { get; private set; }

    /// <summary>Number of submission queues that complete here.</summary>
    public int Users { get; set; }

    /// <summary>Entries promised to commands under way.</summary>
    public int Reserved { get; set; }

    /// <summary>Entries that the guest has not taken yet.</summary>
    public int Waiting => (Tail - Head + size) % size;

    /// <summary>Whether one more command can be promised an entry. One entry stays free, to tell full from empty.</summary>
    public bool HasRoom => Waiting + Reserved < size - 1;

    /// <summary>Entries were added since the last interrupt.</summary>
    public bool NeedsInterrupt { get; set; }

    /// <summary>A write to the head doorbell.</summary>
    /// <returns>False when the guest takes what is not there.</returns>
    public bool TryMoveHead(uint head)
    {
        if (head >= size || ((int)head - Head + size) % size > Waiting)
        {
            return false;
        }

        Head = (ushort)head;
        return true;
    }

    /// <summary>Adds an entry.</summary>
    /// <returns>False when the queue is not in memory.</returns>
    public bool TryPost(IGuestMemory memory, ushort queueHead, ushort queueId, ushort commandId, NvmeStatus status, uint result)
    {
        uint last = commandId | ((uint)status << 17) | (_phase ? PhaseTag : 0);
        if (status != NvmeStatus.Success)
        {
            last |= More | (status.IsWorthRetrying() ? 0 : DoNotRetry);
        }

        Span<byte> entry = stackalloc byte[EntryLength];
        BinaryPrimitives.WriteUInt32LittleEndian(entry, result);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[4..], 0);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], queueHead | ((uint)queueId << 16));
        BinaryPrimitives.WriteUInt32LittleEndian(entry[12..], last);

        // The phase tag makes the entry valid to a polling guest: it comes last.
        ulong place = address + ((ulong)Tail * EntryLength);
        if (!memory.TryWrite(place, entry[..12]))
        {
            return false;
        }

        Interlocked.MemoryBarrier();
        if (!memory.TryWrite(place + 12, entry[12..]))
        {
            return false;
        }

        Tail = (ushort)(Tail + 1 == size ? 0 : Tail + 1);
        _phase ^= Tail == 0;
        NeedsInterrupt = true;
        return true;
    }

    public void Save(IStateWriter state)
    {
        state.UInt64(1, address);
        state.UInt32(2, (uint)size);
        state.UInt8(3, interrupts ? (byte)1 : (byte)0);
        state.UInt16(4, vector);
        state.UInt16(5, Head);
        state.UInt16(6, Tail);
        state.UInt8(7, _phase ? (byte)1 : (byte)0);
    }

    public static CompletionQueue Restore(IStateReader state, ushort id, int vectors)
    {
        int size = QueueLimits.CheckedSize(state.UInt32(2));
        var queue = new CompletionQueue(id, state.UInt64(1), size, state.UInt8(3) != 0, state.UInt16(4))
        {
            Head = state.UInt16(5),
            Tail = state.UInt16(6),
            _phase = state.UInt8(7) != 0,
        };
        if (queue.Head >= size || queue.Tail >= size || queue.Vector >= vectors)
        {
            throw new StateException(
                $"Completion queue {id} of {size} entries cannot have head {queue.Head}, tail {queue.Tail} and vector {queue.Vector}.");
        }

        return queue;
    }
}
