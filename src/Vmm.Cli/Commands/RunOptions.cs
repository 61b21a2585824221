using Vmm.Cli.Arguments;
using Vmm.Machine.Images;
using Vmm.Sdk;

namespace Vmm.Cli.Commands;

/// <summary>The options of <c>vmm run</c> and what they stand for in a machine file.</summary>
internal static class RunOptions
{
    public const string Statistics = "stat";
    public const string Verbose = "verbose";
    public const string Name = "name";
    public const string Restore = "restore";

    private static readonly string[] DeviceKeys = ["name", "role", "channel", "pci"];
    private static readonly string[] DiskKeys = ["path", "format", "readonly", "device"];
    private static readonly string[] NetworkKeys = ["mac", "device"];

    /// <summary>Options whose value goes to one key as it is.</summary>
    private static readonly (string Option, string Key)[] Plain =
    [
        ("kernel", "kernel"), ("firmware", "firmware"), ("cmdline", "cmdline"), ("entry", "entry"), ("memory", "memory"), ("cpus", "cpus"), ("engine", "engine"),
        ("scheduler", "scheduler"), ("name", "name"), ("serial", "serial"), ("no-reboot", "noReboot"), ("on-fault", "onFault"),
    ];

    public static IReadOnlyList<Option> All { get; } =
    [
        new("kernel", "F", "kernel: Linux bzImage or vmlinux, PVH or Multiboot 1 ELF"),
        new("firmware", "F", "firmware, such as SeaBIOS: boots from a disk instead of a kernel"),
        new("initrd", "F", "initial RAM disk; for Multiboot, a module ('F arguments')", Repeatable: true),
        new("cmdline", "S", "kernel command line"),
        new("entry", "MODE", "auto, linux16, linux32, linux64, pvh or multiboot"),
        new("memory", "SIZE", "RAM, such as 512M or 2G"),
        new("cpus", "N", "virtual processors"),
        new("engine", "NAME", "auto, software or kvm"),
        new("engine-option", "KEY=VALUE", "option of the engine; software: tier=translator, interpreter or lockstep; count=blocks; kvm: apic=auto, kvm or kernel", Repeatable: true),
        new("scheduler", "NAME", "scheduler plugin"),
        new("disk", "path=F,...", "disk; also format=raw, readonly=on, device=TYPE, and options of the format and of the device", Repeatable: true),
        new("net", "BACKEND,...", "network device; none, or a backend with its options, as 'plugin list' has them; also mac=52:54:00:12:34:56", Repeatable: true),
        new("serial", "WHERE", "stdio, file:F or none"),
        new("device", "TYPE,key=value", "one more device", Repeatable: true),
        new("exit-handler", "TYPE,key=value", "one more handler of VM exits, such as trace", Repeatable: true),
        new("plugins", "DIR", "more plugins", Repeatable: true),
        new("on-fault", "WHAT", "what a failing device means: continue, pause or stop"),
        new("no-reboot", null, "a reset or triple fault ends the machine"),
        new(Name, "NAME", "name for 'vmm stat NAME' and the like; else that of the machine and a number"),
        new(Restore, "F", "go on where 'vmm save' left a machine"),
        new(Statistics, null, "counts and times of VM exits at the end"),
        new(Verbose, null, "messages of devices that are meant for their authors"),
    ];

    public static string Details =>
        """

        NAME is a ready-made image ('linux'), or a machine file in JSON. Everything above can also stand in that
        file (devices:NAME:type, devices:NAME:options:KEY, ...) and in VMM_ environment variables (VMM_MEMORY=1G).
        Later wins: built-in board, machine file, environment, command line.
        On the terminal: Ctrl-A X quits, Ctrl-A H helps; every other key goes to the guest, Ctrl-C too.

        """;

    /// <summary>Keys and values of a machine file for the options given.</summary>
    public static IReadOnlyList<KeyValuePair<string, string?>> ToConfiguration(ParsedArguments arguments)
    {
        List<KeyValuePair<string, string?>> values = [];
        foreach ((string option, string key) in Plain)
        {
            if (arguments.Find(option) is { } value)
            {
                values.Add(new(key, value));
            }
        }

        foreach ((string key, string value) in arguments.All("engine-option").SelectMany(text => KeyValueList.Parse("--engine-option", text, hasHead: false).Pairs))
        {
            values.Add(new($"engineOptions:{key}", value));
        }

        AddList(values, "initrd", arguments.All("initrd"));
        AddList(values, "plugins", arguments.All("plugins"));
        AddDisks(values, arguments.All("disk"));
        AddNetworks(values, arguments.All("net"));
        AddComponents(values, "--device", "devices", arguments.All("device"), DeviceKeys);
        AddComponents(values, "--exit-handler", "exits", arguments.All("exit-handler"), ["name"]);
        return values;
    }

    /// <summary>The machine file and the image that the words after <c>run</c> name.</summary>
    public static (string? MachineFile, string? Image) Target(ParsedArguments arguments)
    {
        if (arguments.Words is [])
        {
            return default;
        }

        if (arguments.Find(Restore) is { } saved)
        {
            throw new UsageException($"--restore {saved} brings its machine along: leave '{arguments.Words[0]}' away.");
        }

        if (arguments.Words.Count > 1)
        {
            throw new UsageException($"'{arguments.Words[1]}' is one word too many: 'run' takes one name or machine file.");
        }

        string word = arguments.Words[0];
        if (ImageCache.Names.Contains(word))
        {
            return (null, word);
        }

        if (File.Exists(word) || word.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
        {
            return (word, null);
        }

        string? nearest = NearestName.Find(word, ImageCache.Names);
        throw new UsageException($"'{word}' is neither an image ({string.Join(", ", ImageCache.Names)}) nor a machine file{(nearest is null ? "" : $"; did you mean '{nearest}'?")}");
    }

    private static void AddList(List<KeyValuePair<string, string?>> values, string key, IReadOnlyList<string> items)
    {
        for (int i = 0; i < items.Count; i++)
        {
            values.Add(new($"{key}:{i}", items[i]));
        }
    }

    private static void AddDisks(List<KeyValuePair<string, string?>> values, IReadOnlyList<string> disks)
    {
        for (int i = 0; i < disks.Count; i++)
        {
            foreach ((string key, string value) in KeyValueList.Parse("--disk", disks[i], hasHead: false).Pairs)
            {
                bool ours = DiskKeys.Contains(key, StringComparer.OrdinalIgnoreCase);
                values.Add(new(ours ? $"disks:disk{i}:{key}" : $"disks:disk{i}:options:{key}", value));
            }
        }
    }

    private static void AddNetworks(List<KeyValuePair<string, string?>> values, IReadOnlyList<string> networks)
    {
        if (networks.Contains("none"))
        {
            values.Add(networks.Count == 1 ? new("networks", "none") : throw new UsageException("--net none: goes with no other --net."));
            return;
        }

        if (networks.Count > 0)
        {
            values.Add(new("networks", "")); // over a "none" of the machine file
        }

        for (int i = 0; i < networks.Count; i++)
        {
            (string backend, IReadOnlyList<KeyValuePair<string, string>> pairs) = KeyValueList.Parse("--net", networks[i], hasHead: true);
            values.Add(new($"networks:net{i}:backend", backend));
            foreach ((string key, string value) in pairs)
            {
                bool ours = NetworkKeys.Contains(key, StringComparer.OrdinalIgnoreCase);
                values.Add(new(ours ? $"networks:net{i}:{key}" : $"networks:net{i}:options:{key}", value));
            }
        }
    }

    private static void AddComponents(List<KeyValuePair<string, string?>> values, string option, string group, IReadOnlyList<string> items, string[] ownKeys)
    {
        for (int i = 0; i < items.Count; i++)
        {
            (string type, IReadOnlyList<KeyValuePair<string, string>> pairs) = KeyValueList.Parse(option, items[i], hasHead: true);
            string name = pairs.FirstOrDefault(pair => pair.Key == "name").Value ?? $"{type}#{i + 1}";
            values.Add(new($"{group}:{name}:type", type));
            foreach ((string key, string value) in pairs.Where(pair => pair.Key != "name"))
            {
                bool ours = ownKeys.Contains(key, StringComparer.OrdinalIgnoreCase);
                values.Add(new(ours ? $"{group}:{name}:{key}" : $"{group}:{name}:options:{key}", value));
            }
        }
    }
}
