using Vmm.Kernel;
using Vmm.Machine.Configuration;

namespace Vmm.Machine.Snapshots;

/// <summary>A machine in a file, ready to go on. Opening it runs no plugin.</summary>
public sealed class SavedMachine : IDisposable
{
    private const int LongestChain = 64;

    /// <summary>Settings that are the host's affair, not the guest's: they may differ from those that were saved.</summary>
    private static readonly string[] OfTheHost = ["name", "engine", "engineOptions", "serial", "noReboot", "onFault", "kernel", "firmware", "initrd", "plugins"];

    private readonly string _path;
    private readonly SnapshotReader _reader;
    private readonly IReadOnlyList<StateSection> _sections;
    private readonly SavedConfiguration _configuration;

    private SavedMachine(string path, SnapshotReader reader, IReadOnlyList<StateSection> sections)
    {
        _path = path;
        _reader = reader;
        _sections = [.. sections.Where(section => section.Path != SavedConfiguration.Path)];
        _configuration = SavedConfiguration.From(sections.FirstOrDefault(section => section.Path == SavedConfiguration.Path)
            ?? throw new StateException($"{path}: the section '{SavedConfiguration.Path}' is missing, so that nobody knows what machine it was."));
    }

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="MachineException">It cannot be read, or is damaged.</exception>
    public static SavedMachine Open(string path)
    {
        SnapshotReader? reader = null;
        try
        {
            reader = SnapshotReader.Open(path);
            return new SavedMachine(path, reader, reader.ReadSections());
        }
        catch (StateException e)
        {
            reader?.Dispose();
            throw new MachineException(e.Message, e);
        }
    }

    /// <summary>The machine, with what environment and command line say about the host's side of it.</summary>
    /// <param name="commandLine">Keys and values from the command line.</param>
    /// <param name="environment">The environment; that of the process unless a test gives its own.</param>
    /// <exception cref="MachineException">They want another machine than the saved one.</exception>
    public MachineDescription Describe(IEnumerable<KeyValuePair<string, string?>> commandLine, IReadOnlyDictionary<string, string>? environment = null)
    {
        MachineConfiguration configuration = MachineConfiguration.LoadSaved(_path, _configuration.Settings, commandLine, environment);
        MachineDescription description = MachineReader.Read(configuration);
        string[] differences =
        [
            .. description.Settings.Where(pair => !IsOfTheHost(pair.Key) && _configuration.Settings.GetValueOrDefault(pair.Key) != pair.Value)
                .Select(pair => $"{pair.Key} is '{_configuration.Settings.GetValueOrDefault(pair.Key) ?? "(not there)"}' in the saved machine, and '{pair.Value}' is wanted"),
        ];
        return differences is []
            ? description
            : throw new MachineException($"{_path}: a machine goes on as it was saved:{string.Concat(differences.Select(line => $"{Environment.NewLine}  {line}"))}");
    }

    /// <summary>Fills a machine that was built from <see cref="Describe"/> and never started; it is paused then.</summary>
    internal void LoadInto(VirtualMachine machine)
    {
        LoadMemory(machine.Memory, _path, _reader, _configuration.BaseFile, 0);
        machine.StartPaused(_sections);
    }

    /// <inheritdoc/>
    public void Dispose() => _reader.Dispose();

    private static void LoadMemory(GuestMemory memory, string path, SnapshotReader reader, string baseFile, int depth)
    {
        if (reader.Base != Guid.Empty)
        {
            string basePath = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, baseFile);
            if (depth == LongestChain)
            {
                throw new StateException($"{path}: more than {LongestChain} files go on from one another.");
            }

            using SavedMachine basis = Open(basePath);
            if (basis._reader.Identity != reader.Base)
            {
                throw new StateException($"{path}: it goes on from {basePath}, and that file was saved anew since then.");
            }

            LoadMemory(memory, basePath, basis._reader, basis._configuration.BaseFile, depth + 1);
        }

        reader.ReadMemory(memory);
    }

    private static bool IsOfTheHost(string key)
    {
        string[] parts = key.Split(':');
        return OfTheHost.Contains(parts[0], StringComparer.OrdinalIgnoreCase)
            || (parts is ["disks", _, "path"] or ["devices", _, "channel"]);
    }
}
