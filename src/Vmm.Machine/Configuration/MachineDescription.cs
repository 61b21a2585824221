using Vmm.Machine.Boot;
using Vmm.Kernel;

namespace Vmm.Machine.Configuration;

/// <summary>A machine as configuration describes it, checked as far as that is possible without plugins.</summary>
public sealed record MachineDescription
{
    /// <summary>Name for messages.</summary>
    public required string Name { get; init; }

    /// <summary>RAM in bytes.</summary>
    public required ulong MemoryBytes { get; init; }

    /// <summary>Number of virtual processors.</summary>
    public required int ProcessorCount { get; init; }

    /// <summary>The engine by name, or <c>auto</c>.</summary>
    public required string Engine { get; init; }

    /// <summary>Options of the engine, as text.</summary>
    public IReadOnlyDictionary<string, string> EngineOptions { get; init; } = new Dictionary<string, string>();

    /// <summary>Path of the kernel, or null.</summary>
    public string? Kernel { get; init; }

    /// <summary>Path of the firmware, or null when the kernel boots without one.</summary>
    public string? Firmware { get; init; }

    /// <summary>Paths of the initial RAM disk or the modules.</summary>
    public IReadOnlyList<string> Initrd { get; init; } = [];

    /// <summary>Kernel command line, or null when none was given.</summary>
    public string? CommandLine { get; init; }

    /// <summary>How to enter the kernel.</summary>
    public BootEntry Entry { get; init; }

    /// <summary>Where the serial console goes: <c>stdio</c>, <c>file:PATH</c>, <c>none</c>.</summary>
    public required string Serial { get; init; }

    /// <summary>Whether a reset ends the machine.</summary>
    public bool NoReboot { get; init; }

    /// <summary>What a device fault means.</summary>
    public FaultPolicy OnFault { get; init; }

    /// <summary>The scheduler.</summary>
    public required ComponentDescription Scheduler { get; init; }

    /// <summary>Devices in the order of their names.</summary>
    public required IReadOnlyList<DeviceDescription> Devices { get; init; }

    /// <summary>Disks in the order of their names.</summary>
    public required IReadOnlyList<DiskDescription> Disks { get; init; }

    /// <summary>Network devices in the order of their names.</summary>
    public IReadOnlyList<NetworkDescription> Networks { get; init; } = [];

    /// <summary>Exit handlers in the order of their names.</summary>
    public required IReadOnlyList<ComponentDescription> ExitHandlers { get; init; }

    /// <summary>Every key of the configuration with its value, such as <c>devices:com1:type</c>: what a saved machine carries along.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>More folders with plugins.</summary>
    public IReadOnlyList<string> PluginFolders { get; init; } = [];
}

/// <summary>Something that a plugin contributes.</summary>
/// <param name="Name">Name of the instance.</param>
/// <param name="Type">Name of the contribution.</param>
/// <param name="Options">Its options.</param>
public record ComponentDescription(string Name, string Type, IOptionReader Options);

/// <summary>A device.</summary>
/// <param name="Name">Name of the instance.</param>
/// <param name="Type">Name of the device model.</param>
/// <param name="Options">Its options.</param>
/// <param name="Role">What the device is to the firmware tables, or null.</param>
/// <param name="Channel">Its character channel: <c>serial</c> for the machine's console, or as for <c>--serial</c>.</param>
/// <param name="PciAddress">Where it sits when it is a PCI function, or null for the next free place.</param>
public sealed record DeviceDescription(string Name, string Type, IOptionReader Options, string? Role = null, string Channel = "none", PciAddress? PciAddress = null)
    : ComponentDescription(Name, Type, Options);

/// <summary>A disk: a storage backend behind a device.</summary>
/// <param name="Name">Name of the instance.</param>
/// <param name="Format">Name of the storage backend.</param>
/// <param name="Device">Name of the device model.</param>
/// <param name="Options">Options of backend and device.</param>
public sealed record DiskDescription(string Name, string Format, string Device, IOptionReader Options);

/// <summary>A network device with the backend that carries its frames.</summary>
/// <param name="Name">Name of the instance.</param>
/// <param name="Backend">Name of the network backend.</param>
/// <param name="Device">Name of the device model.</param>
/// <param name="DeviceOptions">Options of the device.</param>
/// <param name="BackendOptions">Options of the backend.</param>
public sealed record NetworkDescription(string Name, string Backend, string Device, IOptionReader DeviceOptions, IOptionReader BackendOptions);
