using Microsoft.Extensions.Configuration;
using Vmm.Kernel;
using Vmm.Machine.Boot;

namespace Vmm.Machine.Configuration;

/// <summary>Reads a description out of layered configuration.</summary>
public static class MachineReader
{
    private const int MostProcessors = 255;

    /// <summary>In place of the group of networks: a later layer takes those of earlier ones away.</summary>
    private const string NoNetworks = "none";

    /// <summary>Least RAM: what a PC's memory map takes for granted.</summary>
    private const ulong LeastMemory = 2 << 20;

    private const ulong MemoryStep = 4096;

    /// <summary>Reads and checks.</summary>
    /// <param name="configuration">The layers.</param>
    /// <exception cref="MachineException">A value is missing or unusable; the message says where it stands.</exception>
    public static MachineDescription Read(MachineConfiguration configuration)
    {
        IConfiguration values = configuration.Values;
        return new MachineDescription
        {
            Name = values["name"] ?? "vm",
            MemoryBytes = ReadMemory(configuration),
            ProcessorCount = ReadProcessors(configuration),
            Engine = values["engine"] ?? "auto",
            EngineOptions = values.GetSection("engineOptions").GetChildren().ToDictionary(option => option.Key, option => option.Value ?? "", StringComparer.OrdinalIgnoreCase),
            Kernel = values["kernel"],
            Firmware = values[MachineConfiguration.FirmwareKey] is { Length: > 0 } firmware ? firmware : null,
            Initrd = ReadList(values.GetSection("initrd")),
            CommandLine = values["cmdline"],
            Entry = ReadEnum<BootEntry>(configuration, "entry"),
            Serial = values["serial"] ?? "stdio",
            NoReboot = ReadSwitch(configuration, "noReboot"),
            OnFault = ReadEnum<FaultPolicy>(configuration, "onFault"),
            Scheduler = ReadScheduler(configuration, values.GetSection("scheduler")),
            Devices = [.. Enabled(configuration, "devices").Select(section => ReadDevice(configuration, section))],
            Networks = values["networks"] == NoNetworks ? [] : [.. values.GetSection("networks").GetChildren().Select(section => ReadNetwork(configuration, section))],
            ExitHandlers = [.. Enabled(configuration, "exits").Select(section => ReadComponent(configuration, section))],
            Disks = [.. values.GetSection("disks").GetChildren().Select(section => ReadDisk(configuration, section))],
            Settings = configuration.Settings,
            PluginFolders = ReadList(values.GetSection("plugins")),
        };
    }

    private static ulong ReadMemory(MachineConfiguration configuration)
    {
        string text = configuration.Values["memory"] ?? "";
        if (!Quantity.TryParseBytes(text, out ulong bytes))
        {
            throw Invalid(configuration, "memory", $"'{text}' is not a memory size; write it like 512M or 2G");
        }

        if (bytes < LeastMemory)
        {
            string hint = Quantity.TryParseNumber(text, out _) && bytes != 0 ? $" (a number without suffix means bytes: did you mean {text}M?)" : "";
            throw Invalid(configuration, "memory", $"'{text}' is too little; a machine has at least {LeastMemory >> 20}M{hint}");
        }

        return bytes % MemoryStep == 0
            ? bytes
            : throw Invalid(configuration, "memory", $"'{text}' is {bytes:N0} bytes, which is not a multiple of 4 KiB; write it like 512M or 2G");
    }

    private static int ReadProcessors(MachineConfiguration configuration)
    {
        string text = configuration.Values["cpus"] ?? "";
        return Quantity.TryParseNumber(text, out ulong count) && count is >= 1 and <= MostProcessors
            ? (int)count
            : throw Invalid(configuration, "cpus", $"'{text}' is not a number of processors from 1 to {MostProcessors}");
    }

    private static IReadOnlyList<string> ReadList(IConfigurationSection section) =>
        section.Value is { Length: > 0 } single ? [single] : [.. section.GetChildren().Select(child => child.Value).OfType<string>()];

    private static T ReadEnum<T>(MachineConfiguration configuration, string path)
        where T : struct, Enum
    {
        string? text = configuration.Values[path];
        if (string.IsNullOrEmpty(text))
        {
            return default;
        }

        return Enum.TryParse(text, ignoreCase: true, out T value) && !char.IsAsciiDigit(text[0])
            ? value
            : throw Invalid(configuration, path, $"'{text}' is none of {string.Join(", ", Enum.GetNames<T>().Select(name => name.ToLowerInvariant()))}");
    }

    private static bool ReadSwitch(MachineConfiguration configuration, string path, bool absent = false)
    {
        string? text = configuration.Values[path];
        if (string.IsNullOrEmpty(text))
        {
            return absent;
        }

        return Quantity.TryParseSwitch(text, out bool value) ? value : throw Invalid(configuration, path, $"'{text}' is neither on nor off");
    }

    private static IEnumerable<IConfigurationSection> Enabled(MachineConfiguration configuration, string group) =>
        configuration.Values.GetSection(group).GetChildren().Where(section => ReadSwitch(configuration, $"{section.Path}:enabled", absent: true));

    private static DeviceDescription ReadDevice(MachineConfiguration configuration, IConfigurationSection section)
    {
        ComponentDescription component = ReadComponent(configuration, section);
        string? address = section["pci"];
        PciAddress? pci = null;
        if (!string.IsNullOrEmpty(address))
        {
            pci = ParsePciAddress(address) ?? throw Invalid(configuration, $"{section.Path}:pci", $"'{address}' is not a PCI address like 00:03.0 on bus 0");
        }

        return new DeviceDescription(component.Name, component.Type, component.Options, section["role"], section["channel"] ?? "none", pci);
    }

    private static DiskDescription ReadDisk(MachineConfiguration configuration, IConfigurationSection section)
    {
        string source = $"{configuration.SourceOf(section.Path)}: {section.Path}";
        IOptionReader given = new ConfigurationOptions(source, section.GetSection("options"));
        Dictionary<string, string> options = given.Keys.ToDictionary(key => key, key => given.Find(key)!, StringComparer.OrdinalIgnoreCase);
        foreach (string key in (string[])["path", "readonly"])
        {
            if (section[key] is { } value)
            {
                options[key] = value;
            }
        }

        return new DiskDescription(section.Key, OwnOrBoards(configuration, section, "format", "diskFormat"), OwnOrBoards(configuration, section, "device", "diskDevice"),
            new ConfigurationOptions(source, options));
    }

    private static NetworkDescription ReadNetwork(MachineConfiguration configuration, IConfigurationSection section)
    {
        string source = $"{configuration.SourceOf(section.Path)}: {section.Path}";
        string backend = section["backend"] is { Length: > 0 } given ? given : throw Invalid(configuration, section.Path, "has no 'backend'");
        IEnumerable<KeyValuePair<string, string>> device = section["mac"] is { } address ? [new("mac", address)] : [];
        return new NetworkDescription(section.Key, backend, OwnOrBoards(configuration, section, "device", "networkDevice"),
            new ConfigurationOptions(source, device), new ConfigurationOptions(source, section.GetSection("options")));
    }

    private static string OwnOrBoards(MachineConfiguration configuration, IConfigurationSection entry, string key, string boardKey) =>
        entry[key] ?? configuration.Values[boardKey] ?? throw Invalid(configuration, entry.Path, $"the board has no '{boardKey}'; add '{key}'");

    private static ComponentDescription ReadScheduler(MachineConfiguration configuration, IConfigurationSection section)
    {
        ComponentDescription scheduler = ReadComponent(configuration, section);
        return section.Value is { Length: > 0 } name ? scheduler with { Type = name } : scheduler;
    }

    private static ComponentDescription ReadComponent(MachineConfiguration configuration, IConfigurationSection section)
    {
        string type = section["type"] is { Length: > 0 } given ? given : throw Invalid(configuration, section.Path, "has no 'type'");
        return new ComponentDescription(section.Key, type, new ConfigurationOptions($"{configuration.SourceOf(section.Path)}: {section.Path}", section.GetSection("options")));
    }

    private static PciAddress? ParsePciAddress(string text)
    {
        string[] parts = text.Split(':', '.');
        return parts.Length == 3 && parts[0] is "00" or "0"
            && byte.TryParse(parts[1], System.Globalization.NumberStyles.HexNumber, null, out byte device) && device < 32
            && byte.TryParse(parts[2], out byte function) && function < 8
            ? new PciAddress(0, device, function)
            : null;
    }

    private static MachineException Invalid(MachineConfiguration configuration, string path, string problem) =>
        new($"{configuration.SourceOf(path)}: {path}: {problem}.");
}
