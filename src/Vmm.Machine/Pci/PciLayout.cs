using Vmm.Machine.Boards;

namespace Vmm.Machine.Pci;

/// <summary>Where PCI functions get their addresses and lines. Tables and bus must agree, so both ask here.</summary>
public static class PciLayout
{
    /// <summary>The 32-bit window: from the end of low RAM's hole to the I/O APIC.</summary>
    public const ulong MemoryStart = MemoryLayout.DeviceHoleStart;

    /// <summary>First address behind the 32-bit window.</summary>
    public const ulong MemoryEnd = 0xFEC0_0000;

    /// <summary>Length of the 64-bit window.</summary>
    public const ulong HighMemoryLength = 0x8_0000_0000;

    /// <summary>First port for port registers of functions.</summary>
    public const ushort PortStart = 0xC000;

    /// <summary>INTA# of a function, PCI Local Bus Specification 3.0, 6.2.4.</summary>
    public const int InterruptPin = 1;

    /// <summary>Start of the 64-bit window: above all RAM, and with little RAM below 2^36, which every processor reaches.</summary>
    public static ulong HighMemoryStart(MemoryLayout memory) =>
        (MemoryLayout.DeviceHoleEnd + memory.HighMemoryBytes + HighMemoryLength - 1) / HighMemoryLength * HighMemoryLength;

    /// <summary>
    /// The line of a pin (0 for INTA#) as PC firmware for an i440FX with a PIIX3 takes it for granted: pins of device 1
    /// meet PIRQA# to PIRQD# in order, each device after it is one further, and PIRQA# and PIRQB# lead to line 10, the
    /// others to line 11. Those lines exist on the 8259A pair and on the I/O APIC alike, so that one routing serves a
    /// guest in either mode.
    /// </summary>
    public static int Line(int device, int pin) => 10 + (((device + pin + 3) & 3) >> 1);
}
