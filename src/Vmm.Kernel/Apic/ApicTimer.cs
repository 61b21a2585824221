namespace Vmm.Kernel;

/// <summary>
/// The timer of a local APIC (SDM Vol. 3A 11.5.4): one-shot, periodic and TSC-deadline. Its input clock is 1 GHz, the
/// crystal frequency that CPUID leaf 15H announces, so one undivided tick is one nanosecond of virtual time.
/// </summary>
internal sealed class ApicTimer
{
    private readonly Lock _lock = new();
    private readonly VirtualClock _clock;
    private readonly IVirtualTimer _timer;
    private readonly Action _expired;
    private ApicTimerMode _mode;
    private uint _initialCount;
    private uint _divideConfiguration;
    private long _start;
    private ulong _deadline;
    private long _timestampOffset;

    /// <summary>Makes a stopped timer.</summary>
    /// <param name="clock">Virtual time.</param>
    /// <param name="name">Name of the timer.</param>
    /// <param name="expired">Called at each expiry, on the clock's thread.</param>
    public ApicTimer(VirtualClock clock, string name, Action expired)
    {
        _clock = clock;
        _expired = expired;
        TimestampFrequency = clock.Frequency;
        _timer = clock.CreateTimer(name, Expire);
    }

    /// <summary>Bits 18:17 of the timer's local vector table entry. A change disarms the timer.</summary>
    public ApicTimerMode Mode
    {
        get => _mode;
        set
        {
            lock (_lock)
            {
                if (_mode == value)
                {
                    return;
                }

                // Only a change from or to TSC-deadline mode disarms (11.5.4.1).
                if (_mode == ApicTimerMode.TscDeadline || value == ApicTimerMode.TscDeadline)
                {
                    Disarm();
                }

                _mode = value;
            }
        }
    }

    public uint DivideConfiguration
    {
        get => _divideConfiguration;
        set
        {
            lock (_lock)
            {
                uint left = Remaining();
                _divideConfiguration = value & 0b1011;
                if (left != 0)
                {
                    Begin(left);
                }
            }
        }
    }

    public uint InitialCount
    {
        get => _initialCount;
        set
        {
            lock (_lock)
            {
                // In TSC-deadline mode writes are ignored (11.5.4.1).
                if (_mode != ApicTimerMode.TscDeadline)
                {
                    Disarm();
                    _initialCount = value;
                    if (value != 0)
                    {
                        Begin(value);
                    }
                }
            }
        }
    }

    public uint CurrentCount
    {
        get
        {
            lock (_lock)
            {
                return Remaining();
            }
        }
    }

    /// <summary>IA32_TSC_DEADLINE: the guest's time-stamp counter at which to expire; 0 when disarmed.</summary>
    public ulong Deadline
    {
        get
        {
            lock (_lock)
            {
                return _mode == ApicTimerMode.TscDeadline ? _deadline : 0;
            }
        }

        set
        {
            lock (_lock)
            {
                if (_mode == ApicTimerMode.TscDeadline)
                {
                    Disarm();
                    _deadline = value;
                    ArmDeadline();
                }
            }
        }
    }

    /// <summary>Frequency in Hz of the guest's time-stamp counter, by which deadlines count.</summary>
    public ulong TimestampFrequency { get; init; }

    /// <summary>What the guest's time-stamp counter is ahead of virtual time at its frequency.</summary>
    public long TimestampOffset
    {
        get => Volatile.Read(ref _timestampOffset);
        set
        {
            lock (_lock)
            {
                _timestampOffset = value;
                if (_mode == ApicTimerMode.TscDeadline)
                {
                    ArmDeadline();
                }
            }
        }
    }

    public void Reset()
    {
        lock (_lock)
        {
            Disarm();
            _mode = ApicTimerMode.OneShot;
            _divideConfiguration = 0;
        }
    }

    /// <summary>Copies out what the registers do not say.</summary>
    public void Save(LocalApicState state)
    {
        lock (_lock)
        {
            bool deadline = _mode == ApicTimerMode.TscDeadline;
            state.TimestampDeadline = deadline ? _deadline : 0;
            state.TimerExpiry = deadline ? null : _timer.Deadline;
        }
    }

    /// <summary>Sets the timer, running or not. A timer that expired while the VM stood still fires when it goes on.</summary>
    /// <exception cref="StateException">The state is impossible.</exception>
    public void Restore(LocalApicState state, ApicTimerMode mode, uint initialCount, uint divideConfiguration)
    {
        const long Farthest = long.MaxValue / 2;
        if (state.TimerExpiry is < -Farthest or > Farthest)
        {
            throw new StateException($"the APIC timer expires at {state.TimerExpiry} ns, which is no time.");
        }

        lock (_lock)
        {
            Disarm();
            _mode = mode;
            _divideConfiguration = divideConfiguration & 0b1011;
            if (mode == ApicTimerMode.TscDeadline)
            {
                _deadline = state.TimestampDeadline;
                ArmDeadline();
                return;
            }

            _initialCount = initialCount;
            if (state.TimerExpiry is { } expiry && initialCount != 0)
            {
                _start = expiry - ((long)initialCount * Divisor);
                _timer.Arm(expiry);
            }
        }
    }

    public void Dispose() => _timer.Dispose();

    /// <summary>Nanoseconds a tick: divide by 2, 4, … 128, 1 (figure 11-10).</summary>
    private int Divisor => 1 << (((int)(((_divideConfiguration >> 1) & 4) | (_divideConfiguration & 3)) + 1) & 7);

    private void Begin(uint count)
    {
        _start = _clock.NowNanoseconds - ((long)(_initialCount - count) * Divisor);
        _timer.Arm(_start + ((long)_initialCount * Divisor));
    }

    private void ArmDeadline()
    {
        if (_deadline != 0)
        {
            UInt128 virtualTime = (UInt128)(_deadline - (ulong)_timestampOffset) * _clock.Frequency / TimestampFrequency;
            _timer.Arm((long)UInt128.Min(virtualTime, long.MaxValue - 1));
        }
    }

    private uint Remaining()
    {
        if (_initialCount == 0 || _timer.Deadline is not { } deadline || _mode == ApicTimerMode.TscDeadline)
        {
            return 0;
        }

        return (uint)Math.Clamp((deadline - _clock.NowNanoseconds + Divisor - 1) / Divisor, 0, _initialCount);
    }

    private void Disarm()
    {
        _timer.Cancel();
        _initialCount = 0;
        _deadline = 0;
    }

    private void Expire()
    {
        lock (_lock)
        {
            switch (_mode)
            {
                case ApicTimerMode.Periodic when _initialCount != 0:
                    // Periods that nobody could see are skipped: a guest that was late gets one interrupt, not a burst.
                    long period = (long)_initialCount * Divisor;
                    long missed = Math.Max(0, (_clock.NowNanoseconds - _start - period) / period);
                    _start += (missed + 1) * period;
                    _timer.Arm(_start + period);
                    break;
                case ApicTimerMode.TscDeadline:
                    _deadline = 0;
                    break;
            }
        }

        _expired();
    }
}

/// <summary>Timer modes (SDM Vol. 3A figure 11-8).</summary>
internal enum ApicTimerMode
{
    OneShot = 0,
    Periodic = 1,
    TscDeadline = 2,
    Reserved = 3,
}
