namespace Vmm.Kernel;

/// <summary>
/// Armed timers by deadline: a binary heap in which each timer knows its place, so that arming again moves it and a
/// guest that arms without end takes no more memory.
/// </summary>
internal sealed class TimerQueue
{
    private readonly Lock _lock = new();
    private readonly List<VirtualTimer> _heap = [];
    private long _next = long.MaxValue;

    /// <summary>The earliest deadline; <see cref="long.MaxValue"/> for none.</summary>
    public long NextDeadline => Volatile.Read(ref _next);

    /// <summary>Adds a timer, or moves it to its new deadline.</summary>
    /// <returns>Whether the earliest deadline became earlier.</returns>
    public bool Set(VirtualTimer timer, long deadline, long generation)
    {
        lock (_lock)
        {
            long before = _next;
            timer.Queued = timer.Queued with { Deadline = deadline, Generation = generation };
            if (timer.Queued.Index < 0)
            {
                _heap.Add(timer);
                Place(timer, _heap.Count - 1);
            }

            Sift(timer.Queued.Index);
            UpdateNext();
            return _next < before;
        }
    }

    /// <summary>Takes a timer out, if it is in.</summary>
    public void Remove(VirtualTimer timer)
    {
        lock (_lock)
        {
            if (timer.Queued.Index >= 0)
            {
                RemoveAt(timer.Queued.Index);
                UpdateNext();
            }
        }
    }

    /// <summary>Takes the earliest timer if it is due.</summary>
    public (VirtualTimer Timer, long Generation)? TakeDue(long now)
    {
        lock (_lock)
        {
            if (_heap.Count == 0 || _heap[0].Queued.Deadline > now)
            {
                return null;
            }

            VirtualTimer timer = _heap[0];
            RemoveAt(0);
            UpdateNext();
            return (timer, timer.Queued.Generation);
        }
    }

    private void RemoveAt(int index)
    {
        VirtualTimer removed = _heap[index], last = _heap[^1];
        _heap.RemoveAt(_heap.Count - 1);
        removed.Queued = removed.Queued with { Index = TimerPlace.None };
        if (removed != last)
        {
            Place(last, index);
            Sift(index);
        }
    }

    private void Sift(int index)
    {
        VirtualTimer timer = _heap[index];
        while (index > 0 && timer.Queued.Deadline < _heap[(index - 1) / 2].Queued.Deadline)
        {
            Place(_heap[(index - 1) / 2], index);
            index = (index - 1) / 2;
        }

        while ((2 * index) + 1 < _heap.Count)
        {
            int child = (2 * index) + 1;
            if (child + 1 < _heap.Count && _heap[child + 1].Queued.Deadline < _heap[child].Queued.Deadline)
            {
                child++;
            }

            if (_heap[child].Queued.Deadline >= timer.Queued.Deadline)
            {
                break;
            }

            Place(_heap[child], index);
            index = child;
        }

        Place(timer, index);
    }

    private void Place(VirtualTimer timer, int index)
    {
        _heap[index] = timer;
        timer.Queued = timer.Queued with { Index = index };
    }

    private void UpdateNext() => Volatile.Write(ref _next, _heap.Count == 0 ? long.MaxValue : _heap[0].Queued.Deadline);
}

/// <summary>Where a timer is in the queue; guarded by the queue's lock.</summary>
/// <param name="Index">Index in the heap, or <see cref="None"/>.</param>
/// <param name="Deadline">Absolute virtual time.</param>
/// <param name="Generation">Which arming it is.</param>
internal readonly record struct TimerPlace(int Index, long Deadline, long Generation)
{
    public const int None = -1;
}
