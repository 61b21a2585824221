using Vmm.Sdk;

namespace Vmm.Plugins.AcpiPm;

/// <summary>
/// The power-management timer (ACPI 6.5, 4.8.3.3): a free-running 3.579545 MHz counter of 24 or 32 bits, computed from
/// virtual time. TMR_STS is set whenever its top bit changes.
/// </summary>
internal sealed class PowerManagementTimer(IVirtualClock clock, bool wide) : IPortDevice
{
    public const long Frequency = 3_579_545;

    private const long NanosecondsPerSecond = 1_000_000_000;

    private readonly int _topBit = wide ? 31 : 23;
    private readonly uint _mask = wide ? 0xffff_ffff : 0x00ff_ffff;

    public uint Value => (uint)Ticks & _mask;

    /// <summary>How often the top bit has changed since time 0.</summary>
    public ulong Toggles => Ticks >> _topBit;

    /// <summary>When the top bit changes next, in nanoseconds of virtual time.</summary>
    public long NextToggle
    {
        get
        {
            UInt128 tick = (UInt128)(Toggles + 1) << _topBit;
            return (long)(((tick * NanosecondsPerSecond) + Frequency - 1) / Frequency);
        }
    }

    private ulong Ticks
    {
        get
        {
            // In two parts: the product of the whole would overflow after 43 minutes.
            (long seconds, long rest) = Math.DivRem(clock.NowNanoseconds, NanosecondsPerSecond);
            return (ulong)((seconds * Frequency) + (rest * Frequency / NanosecondsPerSecond));
        }
    }

    public ulong Read(uint offset, AccessWidth width) => Value >> (int)(offset * 8);

    public void Write(uint offset, AccessWidth width, ulong value)
    {
        // The timer is read-only.
    }
}
