namespace Vmm.Plugins.KvmParavirt;

/// <summary>
/// Turns time-stamp ticks into nanoseconds as the guest does: <c>((ticks &lt;&lt; shift) * multiplier) &gt;&gt; 32</c>, where
/// a negative shift goes right.
/// </summary>
/// <param name="Multiplier">A fraction of 2^32, with its top bit set for the best precision.</param>
/// <param name="Shift">Shift before the multiplication.</param>
internal readonly record struct ClockScale(uint Multiplier, sbyte Shift)
{
    private const ulong NanosecondsPerSecond = 1_000_000_000;

    /// <param name="frequency">Ticks a second, not 0.</param>
    public static ClockScale From(ulong frequency)
    {
        // Nanoseconds a tick, times 2^64; the multiplier is its top 32 bits.
        UInt128 ratio = ((UInt128)NanosecondsPerSecond << 64) / frequency;
        int bits = 128 - (int)UInt128.LeadingZeroCount(ratio);
        return new ClockScale((uint)(ratio >> (bits - 32)), (sbyte)(bits - 64));
    }

    public ulong ToNanoseconds(ulong ticks)
    {
        UInt128 shifted = Shift >= 0 ? (UInt128)ticks << Shift : ticks >> -Shift;
        return (ulong)((shifted * Multiplier) >> 32);
    }
}
