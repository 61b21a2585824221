namespace Vmm.Vmx;

/// <summary>
/// What an engine also is when it can model the local APICs (SDM Vol. 3A ch. 11) of a machine itself. Every other interrupt
/// controller stays outside: its messages come through <see cref="IEngineInterrupts"/>, the 8259A's vectors by VM entry.
/// </summary>
public interface ILocalApicEngine : IVmxEngine
{
    /// <summary>Whether it does so on this host, and the user has not chosen otherwise.</summary>
    bool OffersLocalApics { get; }

    /// <summary>
    /// As <see cref="IVmxEngine.CreateMachine"/>, with local APICs of the engine: <see cref="IVmxMachine.Interrupts"/> and
    /// <see cref="ILogicalProcessor.LocalApic"/> are there. HLT and wait-for-SIPI are spent in the guest then, without an
    /// exit, INIT and start-up IPIs are the engine's, and MSRs of the APIC may be left out of the MSR bitmap. The end of a
    /// level-triggered interrupt is a VM exit with reason 45. A window for external interrupts is open when the APIC
    /// lets the 8259A through.
    /// </summary>
    /// <param name="memory">Physical memory.</param>
    /// <param name="clock">Source of time, for the APIC timers too.</param>
    IVmxMachine CreateMachineWithLocalApics(IPhysicalMemory memory, ITimeSource clock);
}

/// <summary>The way to the local APICs that an engine models. Callable from any thread.</summary>
public interface IEngineInterrupts
{
    /// <summary>Whether the timers have TSC-deadline mode (SDM Vol. 3A 11.5.4.1), so that CPUID may announce it.</summary>
    bool HasTimestampDeadline { get; }

    /// <summary>Delivers an interrupt message (SDM Vol. 3A 11.11).</summary>
    /// <param name="address">Message address.</param>
    /// <param name="data">Message data.</param>
    void Send(ulong address, uint data);

    /// <summary>Makes a route: an event that sends a message without an exit.</summary>
    /// <param name="address">Message address.</param>
    /// <param name="data">Message data.</param>
    /// <returns>The route; null when the engine has no more of them.</returns>
    IMessageRoute? CreateRoute(ulong address, uint data);

    /// <summary>Makes a guest's writes of a width to an address a notification, without an exit.</summary>
    /// <param name="address">Guest-physical address.</param>
    /// <param name="width">Width of the writes in bytes; others exit as before.</param>
    /// <param name="written">Called soon after a write, on a thread of the engine; several writes may become one call.</param>
    /// <returns>Ends it; null when the engine cannot, so that writes exit.</returns>
    IDisposable? Listen(ulong address, int width, Action written);
}

/// <summary>An event that sends a message. Ends with its disposal, or the machine's.</summary>
public interface IMessageRoute : IDisposable
{
    /// <summary>Sends the message.</summary>
    void Signal();

    /// <summary>Changes what is sent from now on.</summary>
    /// <param name="address">Message address.</param>
    /// <param name="data">Message data.</param>
    void Change(ulong address, uint data);
}

/// <summary>The local APIC of one processor, modelled by the engine. Belongs to the thread that has the processor.</summary>
public interface IEngineLocalApic
{
    /// <summary>
    /// What the processor waits for: active, HLT, or wait-for-SIPI (SDM Vol. 3C 25.4.2). While the engine has the APIC, this
    /// and not the VMCS field says so.
    /// </summary>
    ActivityState Activity { get; set; }

    /// <summary>Copies the registers out.</summary>
    LocalApicState Save();

    /// <summary>Sets the registers and starts the timer. A timer whose time is over fires at once.</summary>
    /// <param name="state">The registers.</param>
    void Load(LocalApicState state);
}
