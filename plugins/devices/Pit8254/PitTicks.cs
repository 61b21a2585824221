namespace Vmm.Plugins.Pit8254;

/// <summary>
/// Converts between virtual time and periods of the 1.193182 MHz input clock, exactly: a tick is numbered from virtual
/// time 0, so no error adds up however long a periodic timer runs.
/// </summary>
internal static class PitTicks
{
    private const long Hertz = 1_193_182;
    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <summary>The tick that has begun at a time.</summary>
    public static long At(long nanoseconds)
    {
        var (seconds, rest) = Math.DivRem(nanoseconds, NanosecondsPerSecond);
        return (seconds * Hertz) + (rest * Hertz / NanosecondsPerSecond);
    }

    /// <summary>The first nanosecond of a tick.</summary>
    public static long Start(long tick)
    {
        var (seconds, rest) = Math.DivRem(tick, Hertz);
        return (seconds * NanosecondsPerSecond) + (((rest * NanosecondsPerSecond) + Hertz - 1) / Hertz);
    }
}
