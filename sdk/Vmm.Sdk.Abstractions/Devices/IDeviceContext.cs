namespace Vmm.Sdk;

/// <summary>
/// What every device gets from the host. Rarer services (<see cref="IPciSlot"/>, <see cref="IPowerControl"/>,
/// <see cref="ICharacterChannel"/>, <see cref="IBlockBackend"/>, …) are constructor parameters of the devices that need them.
/// Implemented by the host, so it may gain members.
/// </summary>
public interface IDeviceContext
{
    /// <summary>The name of this instance in the configuration, such as <c>com1</c>.</summary>
    string Name { get; }

    /// <summary>Claims I/O-port regions. Usable during <see cref="IDevice.Attach"/> and afterwards.</summary>
    IPortSpace Ports { get; }

    /// <summary>Claims memory-mapped regions.</summary>
    IMmioSpace Mmio { get; }

    /// <summary>Interrupt lines and messages.</summary>
    IInterruptFabric Interrupts { get; }

    /// <summary>Virtual time and timers. The only time that a device may use.</summary>
    IVirtualClock Clock { get; }

    /// <summary>Guest physical memory.</summary>
    IGuestMemory Memory { get; }

    /// <summary>Messages for the person who runs the VM. Rate-limited by the host.</summary>
    IDeviceLog Log { get; }

    /// <summary>
    /// Runs work under this device's gate, so that it never overlaps a register access or timer of the device.
    /// Callable from any thread; this is how work finished elsewhere (a socket, a disk) comes back.
    /// After the VM has stopped, posted work is dropped.
    /// </summary>
    /// <param name="work">What to run. Exceptions count as a fault of the device.</param>
    void Post(Action work);
}

/// <summary>The I/O-port space of the VM.</summary>
public interface IPortSpace
{
    /// <summary>
    /// Claims a region of ports. Collisions are collected and reported together, with both owners, before the VM starts.
    /// Accesses wider than the region implements are split into implemented widths; narrower ones that are not
    /// implemented answer "no response" (all ones; writes vanish).
    /// </summary>
    /// <param name="name">Name of the region for messages and tracing.</param>
    /// <param name="port">First port.</param>
    /// <param name="length">Number of ports, 1 to 65,536 less <paramref name="port"/>.</param>
    /// <param name="widths">Widths that <paramref name="handler"/> implements.</param>
    /// <param name="handler">The registers.</param>
    /// <returns>The claim; disposing of it gives the region back.</returns>
    IRegionClaim Claim(string name, ushort port, int length, AccessWidths widths, IPortDevice handler);
}

/// <summary>The memory-mapped I/O space of the VM.</summary>
public interface IMmioSpace
{
    /// <summary>Claims a region of guest-physical addresses; rules as for <see cref="IPortSpace.Claim"/>. A misaligned access is split into aligned ones.</summary>
    /// <param name="name">Name of the region for messages and tracing.</param>
    /// <param name="address">First guest-physical address.</param>
    /// <param name="length">Length in bytes.</param>
    /// <param name="widths">Widths that <paramref name="handler"/> implements.</param>
    /// <param name="handler">The registers.</param>
    /// <returns>The claim; disposing of it gives the region back.</returns>
    IRegionClaim Claim(string name, ulong address, ulong length, AccessWidths widths, IMmioDevice handler);
}

/// <summary>A claimed region. Disposing of it ends the claim; the access under way, if any, finishes first.</summary>
public interface IRegionClaim : IDisposable
{
    /// <summary>Name given at the claim.</summary>
    string Name { get; }

    /// <summary>Moves the region, as a base-address register does. The new place takes effect for the next access.</summary>
    /// <param name="address">New first port or guest-physical address.</param>
    /// <returns>False when the new range overlaps another claim; the region is then not mapped anywhere.</returns>
    bool Move(ulong address);

    /// <summary>Hides the region (false) or shows it (true) without giving it up.</summary>
    bool Enabled { get; set; }
}

/// <summary>Severity of a message.</summary>
public enum DeviceLogLevel
{
    /// <summary>For the author of the device; hidden unless asked for.</summary>
    Debug,

    /// <summary>Something worth knowing.</summary>
    Information,

    /// <summary>Something is not as it should be, but the device works.</summary>
    Warning,

    /// <summary>The device cannot do what it should.</summary>
    Error,
}

/// <summary>Messages of a device. Never about what the guest does wrong: the bus reports that.</summary>
public interface IDeviceLog
{
    /// <summary>Writes a message. Callable from any thread.</summary>
    /// <param name="level">Severity.</param>
    /// <param name="message">The message, a sentence.</param>
    void Write(DeviceLogLevel level, string message);
}
