namespace Vmm.Plugins.RtcMc146818;

/// <summary>The periodic interrupt's divider of the 32,768 Hz time base, counted from virtual time 0 so that it never drifts.</summary>
internal static class PeriodicRate
{
    private const long Hertz = 32_768;

    /// <summary>Cycles in a period, or 0 for none (data sheet, table 5).</summary>
    public static long Cycles(byte registerA) => (registerA & RegisterA.Rate) switch
    {
        0 => 0,
        1 => 128,
        2 => 256,
        var rate => 1L << (rate - 1),
    };

    /// <summary>The cycle that has begun at a time.</summary>
    public static long At(long nanoseconds)
    {
        var (seconds, rest) = Math.DivRem(nanoseconds, TimeOfDay.NanosecondsPerSecond);
        return (seconds * Hertz) + (rest * Hertz / TimeOfDay.NanosecondsPerSecond);
    }

    /// <summary>The first nanosecond of a cycle.</summary>
    public static long Start(long cycle)
    {
        var (seconds, rest) = Math.DivRem(cycle, Hertz);
        return (seconds * TimeOfDay.NanosecondsPerSecond) + (((rest * TimeOfDay.NanosecondsPerSecond) + Hertz - 1) / Hertz);
    }
}
