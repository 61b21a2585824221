namespace Vmm.Sdk;

/// <summary>The VM's time: it stands still while the VM is paused. Starts at 0 when the VM is created.</summary>
public interface IVirtualClock
{
    /// <summary>Nanoseconds of virtual time. Never goes backwards. Callable from any thread.</summary>
    long NowNanoseconds { get; }

    /// <summary>
    /// Wall-clock time of day as the guest should see it, in nanoseconds since 1970-01-01 UTC. Meant for real-time
    /// clocks alone.
    /// </summary>
    long WallClockNanoseconds { get; }

    /// <summary>Creates a timer. Its callback runs under the gate of the device that created it.</summary>
    /// <param name="name">Name for messages and inspection.</param>
    /// <param name="expired">What to run when the timer expires.</param>
    IVirtualTimer CreateTimer(string name, Action expired);
}

/// <summary>A one-shot timer on virtual time.</summary>
public interface IVirtualTimer : IDisposable
{
    /// <summary>Sets the expiry, replacing an earlier one. A time in the past expires at once, though never inside this call.</summary>
    /// <param name="nanoseconds">Absolute virtual time in nanoseconds.</param>
    void Arm(long nanoseconds);

    /// <summary>Clears the expiry. A callback that waits for the device's gate when this is called under that gate does not run.</summary>
    void Cancel();

    /// <summary>The expiry as absolute virtual time in nanoseconds, or null when the timer is not armed.</summary>
    long? Deadline { get; }
}
