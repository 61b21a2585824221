namespace Vmm.Kernel;

// The guest's time-stamp counter, and the handlers that tell the guest the time by it.
internal sealed partial class VirtualProcessor
{
    private const long LongestDriftNanoseconds = 1_000_000_000;

    private ulong _timestampOffset;
    private bool _hasOwnCounter;
    private long _clockGeneration;
    private long _followedAt;

    /// <inheritdoc/>
    public ulong TimestampCounter => Logical.TimestampCounter ?? Scaled(TimestampFrequency) + _timestampOffset;

    /// <inheritdoc/>
    public ulong TimestampFrequency => Machine.Engine.Capabilities.TimestampFrequency ?? Machine.Clock.Frequency;

    /// <summary>What the guest's time-stamp counter is ahead of virtual time at its frequency.</summary>
    public ulong TimestampOffset
    {
        get => _timestampOffset;
        set
        {
            _timestampOffset = value;
            Apic.Timer.TimestampOffset = (long)value;
            if (_stage != VmxStage.Off)
            {
                Vmcs[VmcsField.TscOffset] = value;
            }
        }
    }

    /// <summary>The guest has written its counter.</summary>
    public void TimestampWritten() => Machine.TimestampHandlers.Tell(this, TimestampChange.Written);

    private void SaveTimestamp(ProcessorState state)
    {
        state.TimestampFrequency = TimestampFrequency;
        state.TimestampOffset = Logical.TimestampCounter is { } counter ? counter - Scaled(TimestampFrequency) : _timestampOffset;
    }

    // The counter goes on from where it was, at the speed that it has here.
    private void RestoreTimestamp(ProcessorState state)
    {
        ulong frequency = state.TimestampFrequency == 0 ? Machine.Clock.Frequency : state.TimestampFrequency;
        TimestampOffset = Scaled(frequency) + state.TimestampOffset - Scaled(TimestampFrequency);
    }

    /// <summary>Tells handlers, before the guest goes on, that time stood still, or that a counter of the engine's own has drifted.</summary>
    private void FollowTime()
    {
        long generation = Machine.Clock.Generation;
        if (generation != _clockGeneration || (_hasOwnCounter && Machine.Clock.NowNanoseconds - _followedAt > LongestDriftNanoseconds))
        {
            _clockGeneration = generation;
            _followedAt = Machine.Clock.NowNanoseconds;
            Machine.TimestampHandlers.Tell(this, TimestampChange.Continued);
        }
    }

    private ulong Scaled(ulong frequency) => (ulong)((UInt128)Machine.Clock.Timestamp * frequency / Machine.Clock.Frequency);
}
