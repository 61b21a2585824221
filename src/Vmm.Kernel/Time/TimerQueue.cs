namespace Vmm.Kernel;

/// <summary>Armings by deadline: a heap in which outdated entries stay until they surface.</summary>
internal sealed class TimerQueue
{
    private readonly Lock _lock = new();
    private readonly PriorityQueue<(VirtualTimer Timer, long Generation), long> _heap = new();
    private long _next = long.MaxValue;

    /// <summary>The earliest deadline; <see cref="long.MaxValue"/> for none. May be that of a cancelled timer.</summary>
    public long NextDeadline => Volatile.Read(ref _next);

    /// <summary>Adds an arming.</summary>
    /// <returns>Whether it became the earliest.</returns>
    public bool Add(VirtualTimer timer, long deadline, long generation)
    {
        lock (_lock)
        {
            DropOutdated();
            bool earlier = deadline < _next;
            _heap.Enqueue((timer, generation), deadline);
            UpdateNext();
            return earlier;
        }
    }

    /// <summary>Takes the earliest arming that is due.</summary>
    public (VirtualTimer Timer, long Generation)? TakeDue(long now)
    {
        lock (_lock)
        {
            DropOutdated();
            (VirtualTimer, long)? taken = _heap.TryPeek(out _, out long deadline) && deadline <= now ? _heap.Dequeue() : null;
            UpdateNext();
            return taken;
        }
    }

    private void DropOutdated()
    {
        while (_heap.TryPeek(out (VirtualTimer Timer, long Generation) entry, out _) && !entry.Timer.IsCurrent(entry.Generation))
        {
            _heap.Dequeue();
        }
    }

    private void UpdateNext() => Volatile.Write(ref _next, _heap.TryPeek(out _, out long deadline) ? deadline : long.MaxValue);
}
