using Vmm.Sdk;

namespace Vmm.Plugins.RtcMc146818;

/// <summary>
/// The running time of day: the host's wall clock plus what the guest set. Seconds and fraction are kept apart, so that
/// every date that the registers can hold is possible.
/// </summary>
internal sealed class TimeOfDay(IVirtualClock clock)
{
    public const long NanosecondsPerSecond = 1_000_000_000;
    private const long Earliest = -62_135_596_800;
    private const long Latest = 253_402_300_799;

    private long _offsetSeconds;
    private long _phase;

    /// <summary>Seconds since 1970-01-01.</summary>
    public long Seconds => Math.Clamp(WholeSeconds + _offsetSeconds, Earliest, Latest);

    /// <summary>Nanoseconds into the second.</summary>
    public long Fraction => Modulo(clock.WallClockNanoseconds + _phase);

    private long WholeSeconds
    {
        get
        {
            var now = clock.WallClockNanoseconds + _phase;
            return (now - Modulo(now)) / NanosecondsPerSecond;
        }
    }

    /// <summary>Follows the wall clock.</summary>
    public void Reset()
    {
        _offsetSeconds = 0;
        _phase = 0;
    }

    /// <summary>Sets the seconds; the fraction goes on.</summary>
    public void Set(long seconds) => _offsetSeconds = seconds - WholeSeconds;

    /// <summary>Sets seconds and fraction.</summary>
    public void Set(long seconds, long fraction)
    {
        _phase = Modulo(fraction - Modulo(clock.WallClockNanoseconds));
        Set(seconds);
    }

    public void Save(IStateWriter state)
    {
        state.UInt64(1, (ulong)_offsetSeconds);
        state.UInt64(2, (ulong)_phase);
    }

    public void Restore(IStateReader state)
    {
        _offsetSeconds = Math.Clamp((long)state.UInt64(1), 2 * Earliest, 2 * Latest);
        _phase = (long)(state.UInt64(2) % (ulong)NanosecondsPerSecond);
    }

    private static long Modulo(long nanoseconds)
    {
        var rest = nanoseconds % NanosecondsPerSecond;
        return rest < 0 ? rest + NanosecondsPerSecond : rest;
    }
}
