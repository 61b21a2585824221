namespace Vmm.Vmx;

/// <summary>
/// A local APIC (SDM Vol. 3A ch. 11) in a form that neither the kernel's model nor an engine's own one owns.
/// </summary>
public sealed class LocalApicState
{
    /// <summary>Number of registers in the xAPIC page, used or not.</summary>
    public const int RegisterCount = 64;

    /// <summary>IA32_APIC_BASE: where the page is, enabled, x2APIC, bootstrap processor (11.4.4).</summary>
    public ulong Base { get; set; }

    /// <summary>
    /// The registers as they are read, indexed by xAPIC offset divided by 16, which is also the x2APIC MSR less 800H:
    /// ID, TPR, LDR, DFR, SVR, ISR, TMR, IRR, ESR, ICR (both halves), the local vector table, initial and current count,
    /// divide configuration. The current count (39H) is the timer remaining; <see cref="TimerExpiry"/> has it exactly.
    /// </summary>
    public uint[] Registers { get; } = new uint[RegisterCount];

    /// <summary>Errors that the next write to ESR will show (11.5.3).</summary>
    public uint PendingErrors { get; set; }

    /// <summary>Time on the machine's <see cref="ITimeSource"/>, in nanoseconds, at which a running one-shot or periodic timer expires; null when it stands.</summary>
    public long? TimerExpiry { get; set; }

    /// <summary>IA32_TSC_DEADLINE: the guest's time-stamp counter at which the timer expires; 0 when it is not armed (11.5.4.1).</summary>
    public ulong TimestampDeadline { get; set; }
}
