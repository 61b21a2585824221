namespace Vmm.Engine.Software.Vmx;

/// <summary>
/// The VMX-preemption timer (SDM Vol. 3C 26.5.1). It counts at the rate of the time-stamp counter shifted right by
/// <see cref="Shift"/>; kept as a deadline, so that nothing has to count.
/// </summary>
internal struct PreemptionTimer
{
    /// <summary>The count goes down when this bit of the time-stamp counter changes (IA32_VMX_MISC[4:0]).</summary>
    public const int Shift = 5;

    /// <summary>Whether the control is set and the timer runs.</summary>
    public bool IsRunning { get; private set; }

    /// <summary>Time-stamp at which the count reaches zero.</summary>
    public ulong Deadline { get; private set; }

    /// <summary>Starts with a count.</summary>
    public void Start(ulong count, ulong now)
    {
        IsRunning = true;
        Deadline = (((now >> Shift) + (uint)count) << Shift) | (now & ((1u << Shift) - 1));
    }

    public void Stop() => IsRunning = false;

    public readonly bool HasExpired(ulong now) => IsRunning && now >= Deadline;

    /// <summary>The count left.</summary>
    public readonly uint Remaining(ulong now) => now >= Deadline ? 0 : (uint)Math.Min((Deadline - now) >> Shift, uint.MaxValue);
}
