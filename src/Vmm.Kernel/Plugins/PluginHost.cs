using Autofac;

namespace Vmm.Kernel.Plugins;

/// <summary>
/// The plugins of this process. Opening it reads metadata only; code of a plugin runs when something of it is first
/// created. A broken plugin is one refused line in <see cref="Report"/>. Members are callable from any thread.
/// </summary>
/// <remarks>
/// Starting is what a user waits for: folders are looked at on other threads while the caller goes on, until somebody asks
/// what was found, and <see cref="LoadAhead"/> loads plugins while a machine is being built.
/// </remarks>
public sealed class PluginHost : IDisposable
{
    private readonly Task<IContainer> _root = Task.Run(() => new ContainerBuilder().Build());
    private readonly Dictionary<string, PluginDescription> _plugins = new(StringComparer.Ordinal);
    private readonly Dictionary<(ContributionKind Kind, string Name), ContributionDescription> _contributions = [];
    private readonly Dictionary<string, Lazy<LoadedPlugin>> _loaded = new(StringComparer.Ordinal);
    private readonly Lock _loading = new();
    private readonly List<PluginCandidate> _report = [];
    private readonly Lazy<Contract> _contract = new(Contract.OfThisHost);
    private readonly HashSet<string> _folders = new(StringComparer.Ordinal);
    private readonly Lock _discovery = new();
    private readonly Queue<Task<PluginCandidate>> _lookedAt = [];
    private Task _loadingAhead = Task.CompletedTask;

    private PluginHost()
    {
    }

    /// <summary>Every folder that was looked at, in the order of discovery, with the verdict on it.</summary>
    public IReadOnlyList<PluginCandidate> Report
    {
        get
        {
            lock (_discovery)
            {
                CompleteDiscovery();
                return [.. _report];
            }
        }
    }

    /// <summary>
    /// Looks for plugins. A folder with a .dll in it is one plugin; any other is a folder of plugins, taken in the
    /// order of their names. Of two plugins that claim the same, the first keeps it.
    /// </summary>
    /// <param name="folders">The folders, in order of precedence.</param>
    /// <exception cref="PluginException">A folder does not exist.</exception>
    public static PluginHost Open(IReadOnlyList<string> folders)
    {
        var host = new PluginHost();
        try
        {
            host.Look(folders);
            return host;
        }
        catch
        {
            host.Dispose();
            throw;
        }
    }

    /// <summary>Looks for more plugins, as <see cref="Open"/> does; those that were found before keep what they claim.</summary>
    /// <param name="folders">The folders, in order of precedence.</param>
    /// <exception cref="PluginException">A folder does not exist.</exception>
    public void Look(IEnumerable<string> folders)
    {
        lock (_discovery)
        {
            foreach (string folder in folders.SelectMany(Candidates).Where(_folders.Add))
            {
                _lookedAt.Enqueue(Task.Run(() => PluginFolder.Examine(folder, _contract.Value)));
            }
        }
    }

    /// <summary>Finds a contribution by the name that configuration uses.</summary>
    /// <param name="kind">What it must be.</param>
    /// <param name="name">Its name.</param>
    /// <exception cref="PluginException">There is none; the message has the nearest name.</exception>
    public ContributionDescription Find(ContributionKind kind, string name)
    {
        lock (_discovery)
        {
            CompleteDiscovery();
            return _contributions.TryGetValue((kind, name), out ContributionDescription? found) ? found : throw Unknown(kind, name);
        }
    }

    /// <summary>Finds an accepted plugin by its id.</summary>
    /// <param name="id">The id.</param>
    /// <exception cref="PluginException">There is none; the message has the reason for a refused one, or the nearest id.</exception>
    public PluginDescription FindPlugin(string id)
    {
        lock (_discovery)
        {
            CompleteDiscovery();
            if (_plugins.TryGetValue(id, out PluginDescription? plugin))
            {
                return plugin;
            }

            PluginCandidate? refused = _report.Find(candidate => candidate.Plugin?.Id == id);
            throw new PluginException(refused is null
                ? $"there is no plugin '{id}'{Suggestion(id, _plugins.Keys)}"
                : $"plugin '{id}' in {refused.Folder} was refused: {refused.Refusal}");
        }
    }

    /// <summary>The options of a contribution. Loads its plugin.</summary>
    /// <param name="contribution">The contribution, from <see cref="Find"/>.</param>
    /// <exception cref="PluginException">The plugin cannot be loaded.</exception>
    public IReadOnlyList<OptionInfo> Options(ContributionDescription contribution) => Load(contribution.PluginId).Options(contribution);

    /// <summary>Opens the scope of one VM, which owns what is created in it.</summary>
    public PluginScope OpenScope() => new(this);

    /// <summary>
    /// Begins to load the plugins of contributions that will be created soon, on another thread. What is wrong with one is
    /// told to whoever creates it.
    /// </summary>
    /// <param name="contributions">The contributions by kind and name, in the order in which they will be created.</param>
    public void LoadAhead(IReadOnlyList<(ContributionKind Kind, string Name)> contributions)
    {
        string[] plugins;
        lock (_discovery)
        {
            CompleteDiscovery();
            plugins = [.. contributions.Select(wanted => _contributions.GetValueOrDefault(wanted)?.PluginId).OfType<string>().Distinct()];
        }

        Task loading = Task.Run(() =>
        {
            foreach (string plugin in plugins)
            {
                try
                {
                    Load(plugin);
                }
                catch (Exception)
                {
                    // Kept for whoever asks.
                }
            }
        });
        lock (_loading)
        {
            _loadingAhead = Task.WhenAll(_loadingAhead, loading);
        }
    }

    /// <summary>Ends the composition of all plugins. Scopes of VMs must have been disposed of before.</summary>
    public void Dispose()
    {
        Task.WhenAll([_loadingAhead, .. _lookedAt]).ContinueWith(static _ => { }, TaskScheduler.Default).Wait();
        foreach (Lazy<LoadedPlugin> plugin in _loaded.Values.Where(plugin => plugin.IsValueCreated))
        {
            plugin.Value.Dispose();
        }

        _root.Result.Dispose();
    }

    /// <summary>The code of a plugin; loaded at the first call.</summary>
    internal LoadedPlugin Load(string id)
    {
        PluginDescription plugin = FindPlugin(id);
        Lazy<LoadedPlugin>? loaded;
        lock (_loading)
        {
            if (!_loaded.TryGetValue(id, out loaded))
            {
                _loaded[id] = loaded = new Lazy<LoadedPlugin>(() => new LoadedPlugin(plugin, _root.Result));
            }
        }

        return loaded.Value;
    }

    // What was found, in the order of the folders whatever was read first. Under the gate of discovery.
    private void CompleteDiscovery()
    {
        while (_lookedAt.TryDequeue(out Task<PluginCandidate>? candidate))
        {
            Add(candidate.GetAwaiter().GetResult());
        }
    }

    private static IEnumerable<string> Candidates(string folder)
    {
        string path = Path.GetFullPath(folder);
        if (!Directory.Exists(path))
        {
            throw new PluginException($"there is no folder {path} to look for plugins in");
        }

        return PluginFolder.IsOnePlugin(path) ? [path] : Directory.EnumerateDirectories(path).Order(StringComparer.Ordinal);
    }

    /// <summary>All of a plugin or nothing: its names are taken only when every one of them is free.</summary>
    private void Add(PluginCandidate candidate)
    {
        if (candidate is { Accepted: true, Plugin: { } plugin })
        {
            candidate = candidate with { Refusal = Conflict(plugin) };
            if (candidate.Accepted)
            {
                _plugins.Add(plugin.Id, plugin);
                foreach (ContributionDescription contribution in plugin.Contributions)
                {
                    _contributions.Add((contribution.Kind, contribution.Name), contribution);
                }
            }
        }

        _report.Add(candidate);
    }

    private string? Conflict(PluginDescription plugin)
    {
        if (_plugins.TryGetValue(plugin.Id, out PluginDescription? same))
        {
            return $"its id {plugin.Id} is taken by the plugin in {same.Folder}: remove one of them";
        }

        foreach (ContributionDescription contribution in plugin.Contributions)
        {
            if (_contributions.TryGetValue((contribution.Kind, contribution.Name), out ContributionDescription? other))
            {
                return $"it contributes the {contribution.Kind.Noun()} '{contribution.Name}', and so does plugin {other.PluginId} in {_plugins[other.PluginId].Folder}: remove one of them";
            }
        }

        return null;
    }

    private PluginException Unknown(ContributionKind kind, string name)
    {
        string[] names = [.. _contributions.Keys.Where(key => key.Kind == kind).Select(key => key.Name).Order(StringComparer.Ordinal)];
        int refused = _report.Count(candidate => !candidate.Accepted);
        string note = refused == 0 ? "" : $"; {refused} plugin{(refused == 1 ? " was" : "s were")} refused, see 'vmm plugin list'";
        return new PluginException($"there is no {kind.Noun()} '{name}'{Suggestion(name, names)}{note}");
    }

    private static string Suggestion(string name, IReadOnlyCollection<string> names)
    {
        string? nearest = NearestName.Find(name, names);
        return (nearest is null ? "" : $"; did you mean '{nearest}'?") + (names.Count == 0 ? "; there are none" : $" (installed: {string.Join(", ", names)})");
    }
}
