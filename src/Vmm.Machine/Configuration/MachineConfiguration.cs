using System.Text.Json;
using Microsoft.Extensions.Configuration;

namespace Vmm.Machine.Configuration;

/// <summary>
/// The layers from which a machine is described, later ones over earlier ones: the built-in board (with what firmware
/// needs where there is one), a machine file, the environment (<c>VMM_MEMORY</c>, <c>VMM_DEVICES__COM1__OPTIONS__PORT</c>), the command line.
/// </summary>
public sealed class MachineConfiguration
{
    /// <summary>The key whose value decides whether the board has what firmware needs.</summary>
    internal const string FirmwareKey = "firmware";

    private const string EnvironmentPrefix = "VMM_";
    private readonly List<(string Name, IConfiguration Values)> _layers = [];

    private MachineConfiguration()
    {
    }

    /// <summary>Messages about things that were ignored.</summary>
    public IReadOnlyList<string> Warnings { get; private set; } = [];

    /// <summary>The layers as one.</summary>
    internal IConfiguration Values { get; private set; } = null!;

    /// <summary>Reads the layers.</summary>
    /// <param name="machineFile">Path of a machine file, or null.</param>
    /// <param name="commandLine">Keys and values from the command line, such as <c>devices:com2:type</c>.</param>
    /// <param name="environment">The environment; that of the process unless a test gives its own.</param>
    /// <exception cref="MachineException">A file is missing or malformed, or a key is unknown.</exception>
    public static MachineConfiguration Load(string? machineFile, IEnumerable<KeyValuePair<string, string?>> commandLine,
        IReadOnlyDictionary<string, string>? environment = null)
    {
        MachineConfiguration configuration = new();
        configuration.Add("pc.json", new ConfigurationBuilder().AddJsonStream(OpenBoard("pc")).Build());
        if (machineFile is not null)
        {
            configuration.Add(machineFile, ReadFile(machineFile));
        }

        configuration.AddRest(commandLine, environment);
        if (configuration.Values[FirmwareKey] is { Length: > 0 })
        {
            const string board = "pc-firmware";
            configuration._layers.Insert(1, ($"{board}.json", new ConfigurationBuilder().AddJsonStream(OpenBoard(board)).Build()));
            configuration.Merge();
        }

        return configuration;
    }

    /// <summary>Reads the layers for a saved machine, whose whole configuration takes the place of board and machine file.</summary>
    /// <param name="name">Name of the saved machine for messages.</param>
    /// <param name="saved">Its configuration.</param>
    /// <param name="commandLine">Keys and values from the command line.</param>
    /// <param name="environment">The environment; that of the process unless a test gives its own.</param>
    /// <exception cref="MachineException">A key is unknown.</exception>
    public static MachineConfiguration LoadSaved(string name, IReadOnlyDictionary<string, string> saved,
        IEnumerable<KeyValuePair<string, string?>> commandLine, IReadOnlyDictionary<string, string>? environment = null)
    {
        MachineConfiguration configuration = new();
        configuration.Add(name, new ConfigurationBuilder().AddInMemoryCollection(saved.Select(pair => KeyValuePair.Create(pair.Key, (string?)pair.Value))).Build());
        configuration.AddRest(commandLine, environment);
        return configuration;
    }

    /// <summary>Every key with its value in the layers as one.</summary>
    internal IReadOnlyDictionary<string, string> Settings =>
        Values.AsEnumerable().Where(pair => pair.Value is not null).ToDictionary(pair => pair.Key, pair => pair.Value!, StringComparer.OrdinalIgnoreCase);

    /// <summary>Name of the last layer that says something about a key or group, for messages.</summary>
    internal string SourceOf(string path) =>
        _layers.FindLast(layer => layer.Values.GetSection(path).Exists()).Name ?? "pc.json";

    private void AddRest(IEnumerable<KeyValuePair<string, string?>> commandLine, IReadOnlyDictionary<string, string>? environment)
    {
        AddEnvironment(environment);
        Add("command line", new ConfigurationBuilder().AddInMemoryCollection(commandLine).Build());
        Merge();
    }

    private void Merge()
    {
        ConfigurationBuilder builder = new();
        foreach ((string _, IConfiguration values) in _layers)
        {
            builder.AddConfiguration(values);
        }

        Values = builder.Build();
    }

    private static Stream OpenBoard(string name) =>
        typeof(MachineConfiguration).Assembly.GetManifestResourceStream($"Boards/{name}.json")
        ?? throw new InvalidOperationException($"The board '{name}' is missing from the assembly.");

    private static IConfigurationRoot ReadFile(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            return new ConfigurationBuilder().AddJsonStream(stream).Build();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MachineException($"{path}: the machine file cannot be read: {e.Message}", e);
        }
        catch (Exception e) when ((e as JsonException ?? e.InnerException as JsonException) is { } json)
        {
            string what = json.Message.Split(" LineNumber:")[0].TrimEnd('.');
            throw new MachineException($"{path}:{json.LineNumber + 1}: not valid JSON: {what} (column {json.BytePositionInLine + 1}).", e);
        }
        catch (FormatException e)
        {
            throw new MachineException($"{path}: not a machine file: {e.Message}", e);
        }
    }

    private void Add(string name, IConfiguration values)
    {
        string[] problems = [.. MachineSchema.UnknownKeys(values)];
        if (problems is not [])
        {
            throw new MachineException(string.Join(Environment.NewLine, problems.Select(problem => $"{name}: {problem}.")));
        }

        _layers.Add((name, values));
    }

    /// <summary>Foreign variables may share the prefix, so an unknown one is a warning and not an error.</summary>
    private void AddEnvironment(IReadOnlyDictionary<string, string>? environment)
    {
        IConfigurationRoot values = environment is null
            ? new ConfigurationBuilder().AddEnvironmentVariables(EnvironmentPrefix).Build()
            : new ConfigurationBuilder().AddInMemoryCollection(environment
                .Where(pair => pair.Key.StartsWith(EnvironmentPrefix, StringComparison.OrdinalIgnoreCase))
                .Select(pair => KeyValuePair.Create(pair.Key[EnvironmentPrefix.Length..].Replace("__", ":", StringComparison.Ordinal), (string?)pair.Value))).Build();
        Warnings = [.. MachineSchema.UnknownKeys(values).Select(problem => $"environment ({EnvironmentPrefix}…): {problem}; it is ignored.")];
        _layers.Add(("environment", values));
    }
}
