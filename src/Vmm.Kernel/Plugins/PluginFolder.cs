using System.Text.RegularExpressions;

namespace Vmm.Kernel.Plugins;

/// <summary>Decides from the files in one folder alone whether there is a plugin that this host can load.</summary>
internal static partial class PluginFolder
{
    // Assemblies of the runtime itself. Everything else that a plugin needs must be in its folder: the host's own libraries are no service.
    private static readonly HashSet<string> Framework =
        [.. Directory.EnumerateFiles(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "*.dll").Select(path => Path.GetFileNameWithoutExtension(path))];

    /// <summary>Whether a folder is a plugin's own, rather than a folder of plugins.</summary>
    public static bool IsOnePlugin(string folder) => Directory.EnumerateFiles(folder, "*.dll").Any();

    public static PluginCandidate Examine(string folder, Contract contract)
    {
        var files = new List<AssemblyFile>();
        try
        {
            return Examine(folder, contract, files);
        }
        catch (Exception e)
        {
            // Whatever is wrong with these files, it is one line in the report and never the end of the host.
            return new PluginCandidate(folder, null, $"it cannot be read: {e.Message}");
        }
        finally
        {
            files.ForEach(file => file.Dispose());
        }
    }

    private static PluginCandidate Examine(string folder, Contract contract, List<AssemblyFile> files)
    {
        string[] paths = [.. Directory.EnumerateFiles(folder, "*.dll").Order(StringComparer.Ordinal)];
        files.AddRange(paths.Select(AssemblyFile.TryOpen).OfType<AssemblyFile>());

        PluginDescription[] plugins = [.. files.Select(PluginManifest.Read).OfType<PluginDescription>()];
        if (plugins is not [var plugin])
        {
            return new PluginCandidate(folder, null, WhyNotOne(paths, files, plugins));
        }

        string? refusal = BadName(plugin) ?? CopyOfContract(folder) ?? NewerContract(plugin, files, contract) ?? MissingDependency(folder, plugin, files);
        return new PluginCandidate(folder, plugin, refusal);
    }

    private static string WhyNotOne(string[] paths, List<AssemblyFile> files, PluginDescription[] plugins)
    {
        if (plugins.Length > 1)
        {
            return $"there are {plugins.Length} plugins in one folder ({string.Join(", ", plugins.Select(p => Path.GetFileName(p.AssemblyPath)))}): give each a folder of its own";
        }

        string looked = string.Join(", ", paths.Select(path => Path.GetFileName(path)));
        return (paths.Length, files.Count) switch
        {
            (0, _) => "there is no .dll in it",
            (_, 0) => $"{looked} is not a .NET assembly",
            _ => $"no assembly in it is marked [assembly: VmmPlugin(\"vendor.name\")] (looked at {looked})",
        };
    }

    private static string? BadName(PluginDescription plugin)
    {
        if (!IdPattern.IsMatch(plugin.Id))
        {
            return $"'{plugin.Id}' is not a plugin id: vendor.name in lower case letters, digits, dots and hyphens";
        }

        foreach (ContributionDescription contribution in plugin.Contributions)
        {
            if (!NamePattern.IsMatch(contribution.Name))
            {
                return $"'{contribution.Name}' of {contribution.TypeName} is not a name for a {contribution.Kind.Noun()}: lower case letters, digits and hyphens";
            }
        }

        ContributionDescription? twice = plugin.Contributions.GroupBy(c => (c.Kind, c.Name)).FirstOrDefault(group => group.Count() > 1)?.First();
        return twice is null ? null : $"it contributes the {twice.Kind.Noun()} '{twice.Name}' twice";
    }

    private static string? CopyOfContract(string folder)
    {
        string? copy = Directory.EnumerateFiles(folder, Contract.AssemblyName + ".dll", SearchOption.AllDirectories).FirstOrDefault();
        return copy is null
            ? null
            : $"it brings its own copy of the contract ({Path.GetRelativePath(folder, copy)}): delete it, and reference the contract without copying it (sdk/docs/compatibility.md)";
    }

    private static string? NewerContract(PluginDescription plugin, List<AssemblyFile> files, Contract contract)
    {
        string built = plugin.ContractVersion is null ? "a newer one" : $"version {plugin.ContractVersion}";
        foreach (AssemblyFile file in files)
        {
            Version? asked = file.References.Where(r => r.Name == Contract.AssemblyName).Select(r => r.Version).FirstOrDefault();
            if (asked is not null && asked.Major != contract.AssemblyVersion.Major)
            {
                return $"{file.FileName} was built for contract {asked.Major}.x; this host has {contract.Version}: get a build of the plugin for {contract.AssemblyVersion.Major}.x";
            }

            IReadOnlyList<string> missing = contract.MissingFor(file);
            if (missing.Count > 0)
            {
                return $"{file.FileName} needs {string.Join(", ", missing)}, which contract {contract.Version} of this host does not have (built against {built}): use a newer host, or a plugin built for {contract.Version}";
            }
        }

        return null;
    }

    private static string? MissingDependency(string folder, PluginDescription plugin, List<AssemblyFile> files)
    {
        HashSet<string> present = [.. Directory.EnumerateFiles(folder, "*.dll", SearchOption.AllDirectories).Select(path => Path.GetFileNameWithoutExtension(path))];
        HashSet<string> seen = [];
        var open = new Queue<AssemblyFile>(files.Where(file => file.Path == plugin.AssemblyPath));
        while (open.TryDequeue(out AssemblyFile? file))
        {
            foreach ((string name, Version version) in file.References.Where(reference => seen.Add(reference.Name)))
            {
                if (name == Contract.AssemblyName || Framework.Contains(name))
                {
                    continue;
                }

                if (!present.Contains(name))
                {
                    return $"{file.FileName} needs {name} {version}, which is neither in the folder nor part of .NET: copy it beside the plugin (EnableDynamicLoading does so at build)";
                }

                if (files.Find(candidate => candidate.Name == name) is { } dependency)
                {
                    open.Enqueue(dependency);
                }
            }
        }

        return null;
    }

    [GeneratedRegex(@"^[a-z0-9-]+(\.[a-z0-9-]+)+$")]
    private static partial Regex IdPattern { get; }

    [GeneratedRegex("^[a-z0-9][a-z0-9-]*$")]
    private static partial Regex NamePattern { get; }
}
