using Vmm.Sdk;

namespace Vmm.Plugins.Hpet;

/// <summary>The 64-bit up-counter (IA-PC HPET 1.0a, 2.3.7), computed from virtual time.</summary>
internal sealed class MainCounter(IVirtualClock clock)
{
    public const int NanosecondsPerTick = 10;

    private bool _running;
    private ulong _startValue;
    private long _startTime;

    public ulong Value
    {
        get => _running ? _startValue + ElapsedTicks : _startValue;
        set
        {
            _startValue = value;
            _startTime = clock.NowNanoseconds;
        }
    }

    public bool Running
    {
        get => _running;
        set
        {
            if (value != _running)
            {
                Value = Value;
                _running = value;
            }
        }
    }

    private ulong ElapsedTicks => (ulong)(clock.NowNanoseconds - _startTime) / NanosecondsPerTick;

    /// <summary>When the counter will be <paramref name="distance"/> ticks further, or null when that is beyond all clocks.</summary>
    public long? TimeAfter(ulong distance)
    {
        UInt128 time = (ulong)_startTime + (((UInt128)ElapsedTicks + distance) * NanosecondsPerTick);
        return time <= long.MaxValue ? (long)time : null;
    }
}
