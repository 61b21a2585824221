namespace Vmm.Engine.Kvm.Processor;

/// <summary>
/// What the counters of a VM are ahead of the host's: one number for all processors, so that theirs agree to the tick. KVM's
/// counters run with the host, also while the VM's time stands still, and never at exactly the speed that they are said to
/// have: the number is measured again when time stood still, and once a second for the drift. A running guest's counter is
/// only ever set forward.
/// </summary>
/// <param name="clock">The VM's time.</param>
/// <param name="frequency">Frequency of the guests' counters in Hz.</param>
/// <param name="host">The host's time.</param>
internal sealed class TimestampBase(ITimeSource clock, ulong frequency, TimeProvider host)
{
    private const int Measurements = 5;
    private const long ChecksPerSecond = 1, StepsPerSecond = 1000; // a difference of less than a millisecond stays

    private readonly long _tolerance = host.TimestampFrequency / StepsPerSecond;
    private readonly Lock _gate = new();
    private Reference? _reference;

    /// <summary>Counts the values that <see cref="Value"/> has had.</summary>
    public long Version { get; private set; }

    /// <summary>What a guest's counter without TSC offset is ahead of the host's.</summary>
    public ulong Value { get; private set; }

    /// <summary>The counter that the time source gives, without TSC offset.</summary>
    public ulong Expected => Scale(clock.Timestamp);

    /// <summary>Brings <see cref="Value"/> up to date.</summary>
    /// <param name="counter">Any of the VM's counters, outside its guest.</param>
    public void Follow(ITimestampCounter counter)
    {
        if (Volatile.Read(ref _reference) is { } reference && IsStillRight(reference))
        {
            return;
        }

        lock (_gate)
        {
            if (_reference is { } meanwhile && IsStillRight(meanwhile))
            {
                return; // another processor was first
            }

            long hostNow = host.GetTimestamp();
            ulong now = clock.Timestamp;
            bool stoodStill = _reference is not { } last || HasParted(last, now, hostNow);
            if (counter.Control == TimestampControl.Offset)
            {
                ulong value = Measure(counter);
                if (stoodStill || (long)(value - Value) > (long)(frequency / StepsPerSecond))
                {
                    (Value, Version) = (value, Version + 1);
                }
            }
            else if (stoodStill)
            {
                Version++;
            }

            Volatile.Write(ref _reference, new Reference(now, hostNow));
        }
    }

    // Reads that the host has pulled apart say nothing: they are made again.
    private bool IsStillRight(Reference reference)
    {
        while (true)
        {
            long before = host.GetTimestamp();
            ulong now = clock.Timestamp;
            if (host.GetTimestamp() - before < _tolerance / 2)
            {
                return before - reference.Host < host.TimestampFrequency / ChecksPerSecond && !HasParted(reference, now, before);
            }
        }
    }

    private bool HasParted(Reference reference, ulong now, long hostNow) =>
        Math.Abs(HostTicks(now - reference.Clock) - (hostNow - reference.Host)) >= _tolerance;

    // The narrowest of a few readings of the counter between two of the clock.
    private ulong Measure(ITimestampCounter counter)
    {
        ulong offset = counter.Offset;
        (ulong value, ulong width) = (0, ulong.MaxValue);
        for (int n = 0; n < Measurements; n++)
        {
            ulong before = clock.Timestamp;
            ulong hostCounter = counter.Value - offset;
            ulong after = clock.Timestamp;
            if (after - before < width)
            {
                width = after - before;
                value = Scale(before + (width / 2)) - hostCounter;
            }
        }

        return value;
    }

    private ulong Scale(ulong timestamp) =>
        frequency == clock.Frequency ? timestamp : (ulong)((UInt128)timestamp * frequency / clock.Frequency);

    private long HostTicks(ulong timestamps) => (long)((UInt128)timestamps * (ulong)host.TimestampFrequency / clock.Frequency);

    private sealed record Reference(ulong Clock, long Host);
}
