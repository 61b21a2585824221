namespace Vmm.Machine.Acpi;

/// <summary>What the ACPI tables describe: only what is really plugged in.</summary>
public sealed record AcpiPlatform
{
    /// <summary>Virtual processors; their APIC ids are 0 to this less 1.</summary>
    public required int ProcessorCount { get; init; }

    /// <summary>Whether there is a pair of 8259A controllers.</summary>
    public bool HasPic { get; init; }

    /// <summary>Address of the I/O APIC, or null.</summary>
    public ulong? IoApic { get; init; }

    /// <summary>Address of the HPET, or null.</summary>
    public ulong? Hpet { get; init; }

    /// <summary>Power management, or null.</summary>
    public AcpiPowerManagement? Power { get; init; }

    /// <summary>The reset register, or null.</summary>
    public AcpiReset? Reset { get; init; }

    /// <summary>Serial ports.</summary>
    public IReadOnlyList<AcpiIsaDevice> SerialPorts { get; init; } = [];

    /// <summary>Keyboard controller, or null.</summary>
    public AcpiIsaDevice? KeyboardController { get; init; }

    /// <summary>Real-time clock, or null.</summary>
    public AcpiIsaDevice? RealTimeClock { get; init; }

    /// <summary>The PCI hierarchy, or null.</summary>
    public AcpiPciRoot? Pci { get; init; }
}

/// <summary>The fixed power-management hardware (ACPI 6.5 4.8.3).</summary>
/// <param name="EventPort">PM1 event block.</param>
/// <param name="ControlPort">PM1 control block.</param>
/// <param name="TimerPort">Power-management timer, 32 bits.</param>
/// <param name="Interrupt">The SCI.</param>
/// <param name="SleepType">SLP_TYP that stands for S5.</param>
public sealed record AcpiPowerManagement(ushort EventPort, ushort ControlPort, ushort TimerPort, byte Interrupt, byte SleepType);

/// <summary>The reset register (ACPI 6.5 4.8.3.6).</summary>
/// <param name="Port">Its port.</param>
/// <param name="Value">What is written to it.</param>
public sealed record AcpiReset(ushort Port, byte Value);

/// <summary>A device at fixed ports with a fixed interrupt.</summary>
/// <param name="Port">First port.</param>
/// <param name="Interrupt">Interrupt line.</param>
public sealed record AcpiIsaDevice(ushort Port, byte Interrupt);

/// <summary>The PCI root bridge with its windows.</summary>
/// <param name="MemoryStart">First address of the 32-bit memory window.</param>
/// <param name="MemoryEnd">Last address of the 32-bit memory window.</param>
/// <param name="HighMemoryStart">First address of the 64-bit memory window.</param>
/// <param name="HighMemoryEnd">Last address of the 64-bit memory window.</param>
/// <param name="Line">The interrupt line of a device's pin (0 for INTA#): number of device, then of pin.</param>
/// <param name="ExtendedConfiguration">Address of memory-mapped configuration space for bus 0, or null when there is none.</param>
public sealed record AcpiPciRoot(ulong MemoryStart, ulong MemoryEnd, ulong HighMemoryStart, ulong HighMemoryEnd,
    Func<int, int, int> Line, ulong? ExtendedConfiguration = null);
