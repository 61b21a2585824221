namespace Vmm.Sdk;

/// <summary>
/// A device that is a PCI function. Its configuration space, base-address registers and interrupt capabilities are the
/// host's; the device declares them through the <see cref="IPciSlot"/> that its constructor asks for.
/// </summary>
public interface IPciFunction
{
    /// <summary>What the configuration-space header shows. Read once, before <see cref="IDevice.Attach"/>.</summary>
    PciIdentity Identity { get; }
}

/// <summary>The identifying registers of a PCI function (PCI Local Bus Specification 3.0, 6.2.1).</summary>
/// <param name="VendorId">Offset 0x00.</param>
/// <param name="DeviceId">Offset 0x02.</param>
/// <param name="ClassCode">Offsets 0x09 to 0x0B: base class, sub-class and programming interface, as 0xBBSSPP.</param>
/// <param name="Revision">Offset 0x08.</param>
/// <param name="SubsystemVendorId">Offset 0x2C.</param>
/// <param name="SubsystemId">Offset 0x2E.</param>
public readonly record struct PciIdentity(
    ushort VendorId, ushort DeviceId, uint ClassCode, byte Revision = 0, ushort SubsystemVendorId = 0, ushort SubsystemId = 0);

/// <summary>Where a function sits: bus, device, function.</summary>
/// <param name="Bus">0 to 255.</param>
/// <param name="Device">0 to 31.</param>
/// <param name="Function">0 to 7.</param>
public readonly record struct PciAddress(byte Bus, byte Device, byte Function)
{
    /// <summary>As <c>00:1f.2</c>.</summary>
    public override string ToString() => $"{Bus:x2}:{Device:x2}.{Function}";
}

/// <summary>The slot of one PCI function. Declarations are legal during <see cref="IDevice.Attach"/> only.</summary>
public interface IPciSlot
{
    /// <summary>Where the function sits.</summary>
    PciAddress Address { get; }

    /// <summary>Whether the guest allows the function to access memory by itself (command register, bit 2).</summary>
    bool BusMasterEnabled { get; }

    /// <summary>Declares a base-address register for memory-mapped registers.</summary>
    /// <param name="index">0 to 5; a 64-bit one takes <paramref name="index"/> and the next.</param>
    /// <param name="length">Length in bytes, a power of two of at least 16.</param>
    /// <param name="widths">Widths that <paramref name="handler"/> implements.</param>
    /// <param name="handler">The registers.</param>
    /// <param name="is64Bit">Whether the register takes 64-bit addresses.</param>
    void DeclareMemoryBar(int index, ulong length, AccessWidths widths, IMmioDevice handler, bool is64Bit = true);

    /// <summary>Declares a base-address register for I/O ports.</summary>
    /// <param name="index">0 to 5.</param>
    /// <param name="length">Number of ports, a power of two from 4 to 256.</param>
    /// <param name="widths">Widths that <paramref name="handler"/> implements.</param>
    /// <param name="handler">The registers.</param>
    void DeclarePortBar(int index, int length, AccessWidths widths, IPortDevice handler);

    /// <summary>Adds MSI-X with its table and pending bits in a base-address register that the host adds itself.</summary>
    /// <param name="barIndex">Base-address register for the table, one that the device does not declare.</param>
    /// <param name="vectors">Number of vectors, 1 to 2048.</param>
    IMessageInterrupts DeclareMsiX(int barIndex, int vectors);

    /// <summary>Adds a capability whose body the device defines (read-only to the guest).</summary>
    /// <param name="capabilityId">Capability id.</param>
    /// <param name="body">The bytes after id and next pointer.</param>
    void DeclareCapability(byte capabilityId, ReadOnlySpan<byte> body);

    /// <summary>The INTx# line of the function. Quiet while the guest has MSI-X enabled or INTx disabled.</summary>
    IInterruptLine InterruptPin { get; }
}

/// <summary>Message-signalled interrupts of one function.</summary>
public interface IMessageInterrupts
{
    /// <summary>Whether the guest has enabled them; while not, <see cref="IPciSlot.InterruptPin"/> is used instead.</summary>
    bool Enabled { get; }

    /// <summary>Sends the message of a vector, or sets its pending bit while the vector is masked. Callable from any thread.</summary>
    /// <param name="vector">0 to the declared number less 1.</param>
    void Signal(int vector);
}

/// <summary>Access to the configuration spaces of all functions: a constructor parameter of host bridges.</summary>
public interface IPciConfigurationSpace
{
    /// <summary>Reads; all ones where there is no function.</summary>
    /// <param name="address">The function.</param>
    /// <param name="offset">Offset, 0 to 4095; the access does not cross a double word.</param>
    /// <param name="width">Byte, word or double word.</param>
    uint Read(PciAddress address, ushort offset, AccessWidth width);

    /// <summary>Writes; nothing happens where there is no function.</summary>
    /// <param name="address">The function.</param>
    /// <param name="offset">Offset, 0 to 4095; the access does not cross a double word.</param>
    /// <param name="width">Byte, word or double word.</param>
    /// <param name="value">The value.</param>
    void Write(PciAddress address, ushort offset, AccessWidth width, uint value);
}
