namespace Vmm.Kernel;

/// <summary>What a local APIC asks of its processor. Callable from any thread.</summary>
internal interface IApicProcessor
{
    /// <summary>An interrupt may have become deliverable.</summary>
    void SignalInterrupt();

    /// <summary>The task priority changed. On the processor's thread.</summary>
    /// <param name="cr8">What CR8 reads now.</param>
    void SetTaskPriority(uint cr8);

    /// <summary>A non-maskable interrupt arrived.</summary>
    void SignalNmi();

    /// <summary>INIT arrived.</summary>
    void SignalInit();

    /// <summary>A start-up IPI arrived.</summary>
    /// <param name="vector">Page number of the start address.</param>
    void SignalStartup(byte vector);
}
