using System.Diagnostics;

namespace Vmm.Engine.Kvm.Processor;

/// <summary>
/// Keeps the guest's time-stamp counter at the time source plus the TSC offset of the VMCS. KVM's counter runs with the
/// host, also while the VM's time stands still, so it is set again when the two have parted.
/// </summary>
internal sealed class TimestampSync(MsrAccess msrs, ITimeSource clock, ulong frequency)
{
    private static readonly long Tolerance = Stopwatch.Frequency / 1000;

    private ulong _offset;
    private ulong _clockThen;
    private long _hostThen;
    private bool _isSet;

    /// <summary>Frequency of the guest's counter in Hz.</summary>
    public ulong Frequency { get; } = frequency;

    /// <summary>Sets the counter unless it is right already.</summary>
    public void Apply(ulong offset)
    {
        ulong now = clock.Timestamp;
        long host = Stopwatch.GetTimestamp();
        if (_isSet && offset == _offset && Math.Abs(HostTicks(now - _clockThen) - (host - _hostThen)) < Tolerance)
        {
            return;
        }

        msrs.Write(Msr.Ia32TimeStampCounter, Scale(now) + offset);
        (_offset, _clockThen, _hostThen, _isSet) = (offset, now, host, true);
    }

    private ulong Scale(ulong timestamp) =>
        Frequency == clock.Frequency ? timestamp : (ulong)((UInt128)timestamp * Frequency / clock.Frequency);

    private long HostTicks(ulong timestamps) => (long)((UInt128)timestamps * (ulong)Stopwatch.Frequency / clock.Frequency);
}
