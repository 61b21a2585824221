using Vmm.Kernel.Plugins;

namespace Vmm.Kernel;

/// <summary>A device, exit handler or backend as saving and restoring see it.</summary>
/// <param name="Path">Path of its section.</param>
/// <param name="Type">Its type in configuration; the schema of its state.</param>
/// <param name="Target">The object.</param>
/// <param name="Instance">For a device, its gate and fault state.</param>
/// <param name="Contribution">What the plugin declares; null for objects of no plugin.</param>
internal sealed record StatePart(string Path, string Type, object Target, DeviceInstance? Instance, ContributionDescription? Contribution)
{
    private readonly Lock _noGate = new();

    /// <summary>Id of its plugin.</summary>
    public string Plugin => Contribution?.PluginId ?? "";

    /// <summary>Whether it has a section.</summary>
    public bool IsSaved => Declared.Support == StateSupport.Saved && Target is IStateful;

    /// <summary>Versions that it writes and reads.</summary>
    public DeclaredState Declared =>
        Contribution?.State ?? new DeclaredState(Target is IStateful ? StateSupport.Saved : StateSupport.None, 1, 1);

    /// <summary>Why a VM with it cannot be saved now; null when it can.</summary>
    public string? Obstacle => this switch
    {
        { Declared.Support: StateSupport.Unsupported } => $"{this}: it declares that it cannot be saved",
        { Declared.Support: StateSupport.Saved, Target: not IStateful } => $"{this}: it declares that it can be saved and does not implement {nameof(IStateful)}",
        { Instance.Faulted: true } => $"{this}: it failed, so that its state means nothing",
        _ => null,
    };

    public StateSection Save()
    {
        var writer = new StateWriter();
        Guard(() => ((IStateful)Target).Save(writer));
        return new StateSection(Path, Type, Plugin, Declared.Version, writer.ToArray());
    }

    /// <summary>Why the section cannot be read here; null when it can.</summary>
    public string? Mismatch(StateSection section)
    {
        if (section.Schema != Type)
        {
            return $"{Path}: the state is of a '{section.Schema}' and this machine has a '{Type}' there";
        }

        return section.Version >= Declared.OldestReadable && section.Version <= Declared.Version
            ? null
            : $"{Path}: the state has version {section.Version} of '{section.Schema}' (written by plugin {Said(section.Plugin)}), and plugin {Said(Plugin)} here reads versions {Declared.OldestReadable} to {Declared.Version}";
    }

    public void Restore(StateSection section)
    {
        var reader = new StateReader(section.Content, section.Version, $"{this}");
        Guard(() => ((IStateful)Target).Restore(reader));
        reader.RequireAllRead();
    }

    public override string ToString() => Path.EndsWith("/" + Type, StringComparison.Ordinal) ? Path : $"{Path} ({Type})";

    private static string Said(string plugin) => plugin.Length == 0 ? "(none)" : plugin;

    private void Guard(Action work)
    {
        lock (Instance?.Gate ?? _noGate)
        {
            try
            {
                work();
            }
            catch (Exception e)
            {
                throw new StateException($"{this}: {e.Message}");
            }
        }
    }
}
