namespace Vmm.Sdk;

/// <summary>How interrupts reach processors. Devices use lines and messages; only controllers see vectors.</summary>
public interface IInterruptFabric
{
    /// <summary>
    /// Gets one source on a numbered line (0 to 15 are the ISA interrupts, above them the PCI ones). Several sources
    /// may share a line: it is asserted while any of them is.
    /// </summary>
    /// <param name="name">Name of the source for messages.</param>
    /// <param name="line">Line number, 0 to 1023.</param>
    IInterruptLine Line(string name, int line);

    /// <summary>
    /// Gets a source that can take a numbered line for itself, as the legacy replacement of the HPET does with those of
    /// the 8254 and the real-time clock.
    /// </summary>
    /// <param name="name">Name of the source for messages.</param>
    /// <param name="line">Line number, 0 to 1023.</param>
    IExclusiveInterruptLine ExclusiveLine(string name, int line);

    /// <summary>Sends a message-signalled interrupt (SDM Vol. 3A 11.11). Callable from any thread.</summary>
    /// <param name="address">Message address, 0xFEExxxxx.</param>
    /// <param name="data">Message data: vector, delivery mode, trigger mode.</param>
    void SendMessage(ulong address, uint data);

    /// <summary>Attaches a controller. It then sees every change of every line; lines that are asserted already are reported at once.</summary>
    /// <param name="controller">The controller; <see cref="IExternalInterruptSource"/> and <see cref="IEndOfInterruptListener"/> on the same object are honoured.</param>
    void AttachController(IInterruptController controller);

    /// <summary>
    /// The INTR output of the machine's 8259A, wired to LINT0 of the bootstrap processor. Only the controller that
    /// implements <see cref="IExternalInterruptSource"/> drives it.
    /// </summary>
    IInterruptLine ExternalInterrupt { get; }

    /// <summary>The non-maskable interrupt, wired to LINT1 of every processor.</summary>
    IInterruptLine NonMaskableInterrupt { get; }
}

/// <summary>One source of an interrupt line. Callable from any thread; never blocks.</summary>
public interface IInterruptLine
{
    /// <summary>Asserts (true) or releases (false) the line.</summary>
    /// <param name="asserted">The new level.</param>
    void Set(bool asserted);
}

/// <summary>A source that can silence the others on its line.</summary>
public interface IExclusiveInterruptLine : IInterruptLine
{
    /// <summary>
    /// While true, the line follows this source alone; what the others do counts again afterwards. Callable from any
    /// thread; never blocks. Of several exclusive sources the one that set it last wins.
    /// </summary>
    bool Exclusive { get; set; }
}

/// <summary>
/// An interrupt controller. Calls come from any thread that changes a line, under the controller's device gate.
/// </summary>
public interface IInterruptController
{
    /// <summary>The combined level of a line changed.</summary>
    /// <param name="line">Line number.</param>
    /// <param name="asserted">The new level.</param>
    void SetLine(int line, bool asserted);
}

/// <summary>A controller that hands vectors to the processor at its acknowledge cycle: the 8259A pair.</summary>
public interface IExternalInterruptSource
{
    /// <summary>The processor acknowledges: highest-priority request becomes in-service.</summary>
    /// <returns>The vector, 0 to 255 (a spurious one when no request is left).</returns>
    byte Acknowledge();
}

/// <summary>A controller that needs to know of the end of level-triggered interrupts: the I/O APIC.</summary>
public interface IEndOfInterruptListener
{
    /// <summary>A local APIC finished a level-triggered interrupt.</summary>
    /// <param name="vector">The vector.</param>
    void EndOfInterrupt(byte vector);
}
