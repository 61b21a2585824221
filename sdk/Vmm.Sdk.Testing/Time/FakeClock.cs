namespace Vmm.Sdk.Testing;

/// <summary>A clock that moves only when told. Timers expire in order, each at its own instant.</summary>
public sealed class FakeClock : IVirtualClock
{
    private readonly List<FakeTimer> _timers = [];
    private long _sequence;

    /// <inheritdoc/>
    public long NowNanoseconds { get; private set; }

    /// <summary>Time of day at virtual time 0, in nanoseconds since 1970-01-01 UTC: 2024-02-29 12:34:56 unless set.</summary>
    public long WallClockAtStart { get; set; } = 1_709_210_096_000_000_000;

    /// <inheritdoc/>
    public long WallClockNanoseconds => WallClockAtStart + NowNanoseconds;

    /// <summary>Number of timers that are armed now.</summary>
    public int ArmedTimers => _timers.Count(timer => timer.Deadline is not null);

    /// <summary>The earliest expiry, or null when no timer is armed.</summary>
    public long? NextDeadline => _timers.Min(timer => timer.Deadline);

    /// <inheritdoc/>
    public IVirtualTimer CreateTimer(string name, Action expired)
    {
        ArgumentNullException.ThrowIfNull(expired);
        var timer = new FakeTimer(this, name, expired);
        _timers.Add(timer);
        return timer;
    }

    /// <summary>Moves time forward, running every timer that expires on the way, also those armed on the way.</summary>
    /// <param name="nanoseconds">How far, 0 or more; 0 runs what is due now.</param>
    /// <exception cref="InvalidOperationException">A timer re-arms itself in the past for ever.</exception>
    public void Advance(long nanoseconds)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(nanoseconds);
        var end = checked(NowNanoseconds + nanoseconds);
        var withoutProgress = 0;
        while (_timers.Where(timer => timer.Deadline <= end).MinBy(timer => (timer.Deadline, timer.Sequence)) is { Deadline: { } deadline } due)
        {
            withoutProgress = deadline > NowNanoseconds ? 0 : withoutProgress + 1;
            if (withoutProgress > 100_000)
            {
                throw new InvalidOperationException($"Timer '{due.Name}' expires again and again at {NowNanoseconds} ns.");
            }

            NowNanoseconds = Math.Max(NowNanoseconds, deadline);
            due.Expire();
        }

        NowNanoseconds = end;
    }

    internal long NextSequence() => ++_sequence;

    internal void Remove(FakeTimer timer) => _timers.Remove(timer);
}

internal sealed class FakeTimer(FakeClock clock, string name, Action expired) : IVirtualTimer
{
    public string Name { get; } = name;

    public long Sequence { get; private set; }

    public long? Deadline { get; private set; }

    public void Arm(long nanoseconds)
    {
        Deadline = nanoseconds;
        Sequence = clock.NextSequence();
    }

    public void Cancel() => Deadline = null;

    public void Dispose()
    {
        Cancel();
        clock.Remove(this);
    }

    public void Expire()
    {
        Deadline = null;
        expired();
    }
}
