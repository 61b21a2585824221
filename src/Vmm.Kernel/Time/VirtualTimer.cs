namespace Vmm.Kernel;

/// <summary>
/// A one-shot timer. Each arming has a generation; an expiry of an older generation, such as one that waited for the
/// gate while the timer was cancelled, does nothing.
/// </summary>
internal sealed class VirtualTimer(VirtualClock clock, DeviceInstance owner, Action expired) : IVirtualTimer
{
    private const long NotArmed = long.MaxValue;

    // Held before the queue's lock, never after it.
    private readonly Lock _lock = new();
    private long _deadline = NotArmed;
    private long _generation;

    public long? Deadline
    {
        get
        {
            long deadline = Volatile.Read(ref _deadline);
            return deadline == NotArmed ? null : deadline;
        }
    }

    /// <summary>The place in the clock's queue.</summary>
    internal TimerPlace Queued { get; set; } = new(TimerPlace.None, 0, 0);

    public void Arm(long nanoseconds)
    {
        lock (_lock)
        {
            Volatile.Write(ref _deadline, Math.Min(nanoseconds, NotArmed - 1));
            clock.Schedule(this, _deadline, ++_generation);
        }
    }

    public void Cancel()
    {
        lock (_lock)
        {
            Volatile.Write(ref _deadline, NotArmed);
            _generation++;
            clock.Unschedule(this);
        }
    }

    public void Dispose() => Cancel();

    /// <summary>Called by the clock when an arming is due.</summary>
    internal void Expire(long generation)
    {
        // Device code arms and cancels under the gate, so the generation is checked under it.
        lock (owner.Gate)
        {
            lock (_lock)
            {
                if (generation != _generation || _deadline == NotArmed)
                {
                    return;
                }

                Volatile.Write(ref _deadline, NotArmed);
            }

            owner.Run("a timer", expired);
        }
    }
}
