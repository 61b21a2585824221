namespace Vmm.Sdk;

/// <summary>Power and reset of the machine: a constructor parameter of devices that own a power or reset register. Callable from any thread.</summary>
public interface IPowerControl
{
    /// <summary>Turns the machine off, as ACPI S5 does. The vCPUs stop before their next instruction.</summary>
    void PowerOff();

    /// <summary>Resets the whole machine. The vCPUs stop before their next instruction.</summary>
    void Reset();

    /// <summary>Ends the VM with an exit status, as a debug-exit device does.</summary>
    /// <param name="status">The process exit status, 0 to 255.</param>
    void Exit(int status);
}

/// <summary>The A20 gate: masks address line 20 of every processor when closed. A constructor parameter of port 0x92 and the keyboard controller.</summary>
public interface IAddressLine20
{
    /// <summary>Whether address line 20 passes (true, as at power-on of this platform) or is forced to 0.</summary>
    bool Enabled { get; set; }
}

/// <summary>
/// The FERR# pin of the processors (SDM Vol. 1 8.7.2): a constructor parameter of the device that makes an interrupt of it.
/// Without such a device every unmasked x87 error is an exception, also where CR0.NE asks for the pin.
/// </summary>
public interface IFloatingPointErrorPin
{
    /// <summary>
    /// Sets who is told that a processor with CR0.NE clear met an unmasked x87 error. The host calls it under the device's
    /// gate, each time; the processor then waits for an interrupt.
    /// </summary>
    /// <param name="asserted">Receives the error.</param>
    void Connect(Action asserted);
}

/// <summary>
/// A byte stream to something outside the VM: the terminal, a file, nothing. A constructor parameter of serial ports
/// and the like; which one it is, configuration decides (<c>--serial</c>).
/// </summary>
public interface ICharacterChannel
{
    /// <summary>Sends bytes. Never blocks the caller; the host buffers.</summary>
    /// <param name="data">The bytes.</param>
    void Send(ReadOnlySpan<byte> data);

    /// <summary>
    /// Sets who receives bytes from outside. The host calls it under the device's gate; what is not accepted is kept
    /// and offered again after <see cref="ReceiverReady"/>.
    /// </summary>
    /// <param name="receiver">Takes bytes and returns how many it accepted.</param>
    void SetReceiver(CharacterReceiver receiver);

    /// <summary>Tells the host that the receiver has room again.</summary>
    void ReceiverReady();
}

/// <summary>Takes bytes that arrived from outside.</summary>
/// <param name="data">The bytes.</param>
/// <returns>How many of them were accepted, 0 to the length of <paramref name="data"/>.</returns>
public delegate int CharacterReceiver(ReadOnlySpan<byte> data);

/// <summary>
/// Facts of the board that some devices show to the guest (memory sizes in CMOS, number of processors). A constructor
/// parameter.
/// </summary>
public interface IBoard
{
    /// <summary>Bytes of RAM below 4 GiB.</summary>
    ulong LowMemoryBytes { get; }

    /// <summary>Bytes of RAM from 4 GiB on.</summary>
    ulong HighMemoryBytes { get; }

    /// <summary>Number of virtual processors.</summary>
    int ProcessorCount { get; }
}
