namespace Vmm.Kernel;

/// <summary>
/// The time of one VM in nanoseconds. Runs on the host's monotonic clock while the VM runs and stands still while it is
/// paused. Also the engine's time source: a time-stamp counter of 1 GHz.
/// </summary>
public sealed class VirtualClock : ITimeSource
{
    private const ulong NanosecondsPerSecond = 1_000_000_000;

    private readonly TimeProvider _time;
    private long _wallClockAtStart;
    private readonly TimerQueue _timers = new();

    // The clock reads _base while it stands, and _base + (host time - _hostBase) while it runs. Written when all
    // processors are out of their guests; the version makes a torn pair of reads retry.
    private long _base;
    private long _hostBase;
    private volatile bool _running;
    private long _generation;
    private int _version;

    internal VirtualClock(TimeProvider time)
    {
        _time = time;
        _wallClockAtStart = (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100;
    }

    /// <summary>Nanoseconds of virtual time since the VM was created.</summary>
    public long NowNanoseconds
    {
        get
        {
            while (true)
            {
                int version = Volatile.Read(ref _version);
                long now = _running ? _base + (HostNow() - _hostBase) : _base;
                if ((version & 1) == 0 && version == Volatile.Read(ref _version))
                {
                    return now;
                }
            }
        }
    }

    /// <summary>Counts the times that the clock went on: what followed it by other means meanwhile is off.</summary>
    internal long Generation => Volatile.Read(ref _generation);

    /// <summary>Time of day for the guest, in nanoseconds since 1970-01-01 UTC.</summary>
    public long WallClockNanoseconds => _wallClockAtStart + NowNanoseconds;

    /// <inheritdoc/>
    public ulong Timestamp => (ulong)NowNanoseconds;

    /// <inheritdoc/>
    public ulong Frequency => NanosecondsPerSecond;

    /// <summary>The earliest expiry of all timers as virtual time; <see cref="long.MaxValue"/> when there is none.</summary>
    internal long NextDeadline => _timers.NextDeadline;

    /// <summary>Raised, from any thread, when a timer became the earliest one.</summary>
    internal event Action? EarlierDeadline;

    /// <summary>A timer whose callback runs without a gate: for the kernel itself.</summary>
    internal IVirtualTimer CreateTimer(string name, Action expired) => CreateTimer(new DeviceInstance(name, static (_, _, e) => throw e), expired);

    /// <summary>A timer whose callback runs under the owner's gate.</summary>
    internal IVirtualTimer CreateTimer(DeviceInstance owner, Action expired) => new VirtualTimer(this, owner, expired);

    /// <summary>Sets the time of a VM that continues another one. Only while the clock stands, before anybody armed a timer by it.</summary>
    internal void Restore(long now, long wallClock)
    {
        Interlocked.Increment(ref _version);
        _base = now;
        _wallClockAtStart = wallClock - now;
        Interlocked.Increment(ref _version);
    }

    internal void Start()
    {
        Interlocked.Increment(ref _generation);
        Change(running: true);
    }

    internal void Stop() => Change(running: false);

    /// <summary>Runs every timer that is due.</summary>
    internal void RunDue()
    {
        while (_timers.TakeDue(NowNanoseconds) is { } due)
        {
            due.Timer.Expire(due.Generation);
        }
    }

    internal void Schedule(VirtualTimer timer, long deadline, long generation)
    {
        if (_timers.Set(timer, deadline, generation))
        {
            EarlierDeadline?.Invoke();
        }
    }

    internal void Unschedule(VirtualTimer timer) => _timers.Remove(timer);

    private void Change(bool running)
    {
        if (running == _running)
        {
            return;
        }

        long now = NowNanoseconds;
        Interlocked.Increment(ref _version);
        _base = now;
        _hostBase = HostNow();
        _running = running;
        Interlocked.Increment(ref _version);
    }

    private long HostNow()
    {
        long ticks = _time.GetTimestamp();
        return _time.TimestampFrequency == (long)NanosecondsPerSecond
            ? ticks
            : (long)((Int128)ticks * (long)NanosecondsPerSecond / _time.TimestampFrequency);
    }
}
