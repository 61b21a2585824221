namespace Vmm.Sdk;

/// <summary>
/// A further ability of an exit handler that tells guests the time by their time-stamp counters: hears when a counter and
/// virtual time have parted, so that what the guest computes by may be put right before the guest goes on.
/// </summary>
public interface ITimestampHandler
{
    /// <summary>A processor's counter is not where the time since the last look would have it. Called outside the guest.</summary>
    /// <param name="vcpu">The processor.</param>
    /// <param name="change">Why.</param>
    void TimestampChanged(IVirtualProcessor vcpu, TimestampChange change);
}

/// <summary>Why a time-stamp counter and virtual time have parted.</summary>
public enum TimestampChange
{
    /// <summary>The processor was reset: its guest knows nothing any more of what it has asked for.</summary>
    Reset,

    /// <summary>The guest has written the counter of this processor.</summary>
    Written,

    /// <summary>
    /// Virtual time goes on after it stood still, perhaps on another host with a counter of another frequency, or the counter
    /// may have drifted. Every processor of the VM gets this.
    /// </summary>
    Continued,
}
