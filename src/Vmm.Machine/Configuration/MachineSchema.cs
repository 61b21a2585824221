using Microsoft.Extensions.Configuration;

namespace Vmm.Machine.Configuration;

/// <summary>Which keys a machine file may have. Options of plugins are the plugins' own affair.</summary>
internal static class MachineSchema
{
    private static readonly string[] MachineKeys =
    [
        "name", "kernel", "firmware", "initrd", "cmdline", "entry", "memory", "cpus", "engine", "engineOptions", "scheduler", "serial",
        "noReboot", "onFault", "diskDevice", "diskFormat", "devices", "disks", "exits", "plugins",
        "networkDevice", "networks",
    ];

    private static readonly string[] SchedulerKeys = ["type", "options"];
    private static readonly string[] DeviceKeys = ["type", "enabled", "role", "channel", "pci", "options"];
    private static readonly string[] ExitKeys = ["type", "enabled", "options"];
    private static readonly string[] DiskKeys = ["path", "format", "readonly", "device", "options"];
    private static readonly string[] NetworkKeys = ["backend", "mac", "device", "options"];

    /// <summary>Every key of a layer that no part of the platform knows, as messages.</summary>
    /// <param name="layer">One layer by itself.</param>
    public static IEnumerable<string> UnknownKeys(IConfiguration layer)
    {
        foreach (IConfigurationSection section in layer.GetChildren())
        {
            IEnumerable<string> problems = section.Key.ToLowerInvariant() switch
            {
                "scheduler" => section.Value is null ? Check(section, SchedulerKeys) : [], // a bare name is its type
                "engineoptions" => [], // the engine's own affair
                "devices" => CheckEach(section, DeviceKeys),
                "exits" => CheckEach(section, ExitKeys),
                "disks" => CheckEach(section, DiskKeys),
                "networks" => section.Value is "none" or "" ? [] : CheckEach(section, NetworkKeys),
                _ => Known(section, MachineKeys),
            };
            foreach (string problem in problems)
            {
                yield return problem;
            }
        }
    }

    private static IEnumerable<string> CheckEach(IConfigurationSection parent, string[] keys) =>
        parent.Value is not null ? [$"'{parent.Path}' must be a group of named entries"] : parent.GetChildren().SelectMany(entry => Check(entry, keys));

    private static IEnumerable<string> Check(IConfigurationSection entry, string[] keys) =>
        !string.IsNullOrEmpty(entry.Value)
            ? [$"'{entry.Path}' must be a group with the keys {string.Join(", ", keys)}"]
            : entry.GetChildren().SelectMany(key => Known(key, keys));

    private static IEnumerable<string> Known(IConfigurationSection section, string[] keys)
    {
        if (keys.Contains(section.Key, StringComparer.OrdinalIgnoreCase))
        {
            return [];
        }

        string hint = NearestName.Find(section.Key, keys) is { } nearest ? $"; did you mean '{nearest}'?" : $"; known: {string.Join(", ", keys)}";
        return [$"unknown key '{section.Path}'{hint}"];
    }
}
