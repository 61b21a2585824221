using Vmm.Engine.Kvm.Processor;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>How the counters of a VM on KVM, which run with the host's, are kept at the VM's time.</summary>
public sealed class TimestampTests
{
    private const ulong Frequency = 2_000_000_000;
    private const long Second = 1_000_000_000, Millisecond = 1_000_000;

    private readonly Host _host = new();
    private readonly Clock _clock;
    private readonly TimestampBase _shared;

    public TimestampTests()
    {
        _clock = new Clock(_host);
        _shared = new TimestampBase(_clock, Frequency, _host);
    }

    [Fact]
    public void A_counter_starts_at_the_vms_time_scaled_plus_the_tsc_offset()
    {
        var counter = new Counter(_host);
        new TimestampSync(counter, _shared).Apply(77);
        Assert.Equal((2 * _clock.Timestamp) + 77, counter.Value);
    }

    [Fact]
    public void Processors_of_a_vm_agree_to_the_tick()
    {
        Counter first = new(_host), second = new(_host);
        new TimestampSync(first, _shared).Apply(0);
        _host.Now += 12_345;
        new TimestampSync(second, _shared).Apply(0);
        Assert.Equal(first.Value, second.Value);
    }

    [Fact]
    public void Time_that_stood_still_for_the_vm_is_taken_off()
    {
        var counter = new Counter(_host);
        var sync = new TimestampSync(counter, _shared);
        sync.Apply(0);
        _host.Now += 20 * Millisecond;
        _clock.StoodStill += 20 * Millisecond; // less than the second within which KVM ignores a value of the register
        sync.Apply(0);
        Assert.Equal(2 * _clock.Timestamp, counter.Value);
        Assert.Equal(2, sync.SetCount);
    }

    [Fact]
    public void A_counter_that_is_right_is_left_alone()
    {
        var counter = new Counter(_host);
        var sync = new TimestampSync(counter, _shared);
        for (int n = 0; n < 100; n++)
        {
            sync.Apply(0);
            _host.Now += 100 * Millisecond;
        }

        Assert.Equal(1, sync.SetCount);
    }

    [Fact]
    public void A_counter_that_runs_slower_than_it_says_is_set_when_it_is_a_millisecond_off()
    {
        var counter = new Counter(_host) { PartsPerMillion = -100 };
        var sync = new TimestampSync(counter, _shared);
        for (int n = 0; n < 600; n++)
        {
            sync.Apply(0);
            Assert.InRange((long)((2 * _clock.Timestamp) - counter.Value), -100, 2 * (Millisecond + (Second / 10_000)));
            _host.Now += 100 * Millisecond;
        }

        Assert.InRange(sync.SetCount, 5, 7);
    }

    [Fact]
    public void A_counter_that_runs_faster_than_it_says_is_not_set_back_until_time_stands_still()
    {
        var counter = new Counter(_host) { PartsPerMillion = 100 };
        var sync = new TimestampSync(counter, _shared);
        ulong last = 0;
        for (int n = 0; n < 600; n++)
        {
            sync.Apply(0);
            Assert.True(counter.Value > last, "The counter went back.");
            last = counter.Value;
            _host.Now += 100 * Millisecond;
        }

        Assert.Equal(1, sync.SetCount);
        _host.Now += Second;
        _clock.StoodStill += Second;
        sync.Apply(0);
        Assert.Equal(2 * _clock.Timestamp, counter.Value);
    }

    [Fact]
    public void A_counter_that_can_be_set_by_its_register_only_is_set_when_time_stood_still()
    {
        var counter = new Counter(_host) { Control = TimestampControl.Register };
        var sync = new TimestampSync(counter, _shared);
        sync.Apply(0);
        _host.Now += 5 * Second;
        sync.Apply(0);
        Assert.Equal(1, sync.SetCount);
        _host.Now += 5 * Second;
        _clock.StoodStill += 5 * Second;
        sync.Apply(0);
        Assert.Equal(2 * _clock.Timestamp, counter.Value);
    }

    [Fact]
    public void A_counter_that_cannot_be_set_is_the_hosts()
    {
        var counter = new Counter(_host) { Control = TimestampControl.None };
        var sync = new TimestampSync(counter, _shared);
        sync.Apply(99);
        Assert.Equal((0, 0UL), (sync.SetCount, counter.Offset));
    }

    private sealed class Host : TimeProvider
    {
        public long Now { get; set; } = 123 * Second;

        public override long TimestampFrequency => Second;

        public override long GetTimestamp() => Now;
    }

    private sealed class Clock(Host host) : ITimeSource
    {
        public long StoodStill { get; set; } = 100 * Second;

        public ulong Timestamp => (ulong)(host.Now - StoodStill);

        public ulong Frequency => Second;
    }

    private sealed class Counter(Host host) : ITimestampCounter
    {
        public TimestampControl Control { get; init; } = TimestampControl.Offset;

        public long PartsPerMillion { get; init; }

        public ulong Offset { get; set; }

        public ulong Value
        {
            get => (ulong)(2 * (host.Now + (long)((Int128)host.Now * PartsPerMillion / Millisecond))) + Offset;
            set => Offset += value - Value;
        }
    }
}
