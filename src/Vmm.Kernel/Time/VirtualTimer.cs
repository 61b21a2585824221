namespace Vmm.Kernel;

/// <summary>
/// A one-shot timer. Each arming has a generation; an expiry of an older generation, such as one that waited for the
/// gate while the timer was cancelled, does nothing.
/// </summary>
internal sealed class VirtualTimer(VirtualClock clock, DeviceInstance owner, Action expired) : IVirtualTimer
{
    private const long NotArmed = long.MaxValue;

    private readonly Lock _lock = new();
    private long _deadline = NotArmed;
    private long _generation;

    public long? Deadline
    {
        get
        {
            lock (_lock)
            {
                return _deadline == NotArmed ? null : _deadline;
            }
        }
    }

    public void Arm(long nanoseconds)
    {
        long generation;
        lock (_lock)
        {
            _deadline = Math.Min(nanoseconds, NotArmed - 1);
            generation = ++_generation;
        }

        clock.Schedule(this, nanoseconds, generation);
    }

    public void Cancel()
    {
        lock (_lock)
        {
            _deadline = NotArmed;
            _generation++;
        }
    }

    public void Dispose() => Cancel();

    /// <summary>Called by the clock when an arming is due.</summary>
    internal void Expire(long generation)
    {
        // Device code arms and cancels under the gate, so the generation is checked under it.
        lock (owner.Gate)
        {
            if (IsCurrent(generation, clear: true))
            {
                owner.Run("a timer", expired);
            }
        }
    }

    /// <summary>Whether an entry of the queue still stands for the timer.</summary>
    internal bool IsCurrent(long generation, bool clear = false)
    {
        lock (_lock)
        {
            bool current = generation == _generation && _deadline != NotArmed;
            if (current && clear)
            {
                _deadline = NotArmed;
            }

            return current;
        }
    }
}
