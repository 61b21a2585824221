namespace Vmm.Kernel.Plugins;

/// <summary>A folder that was looked at for a plugin.</summary>
/// <param name="Folder">The folder.</param>
/// <param name="Plugin">What is known of the plugin; null when not even its id could be read.</param>
/// <param name="Refusal">Why it cannot be used, as a sentence; null when it was accepted.</param>
public sealed record PluginCandidate(string Folder, PluginDescription? Plugin, string? Refusal)
{
    /// <summary>Whether the plugin can be used.</summary>
    public bool Accepted => Refusal is null;
}

/// <summary>A plugin as its metadata describes it; none of its code has run.</summary>
/// <param name="Id">Its unique id, from <see cref="VmmPluginAttribute"/>.</param>
/// <param name="Version">Its own version.</param>
/// <param name="ContractVersion">The version of the contract that it was built against; null when it does not say.</param>
/// <param name="Description">One sentence, or empty.</param>
/// <param name="Folder">Where it is.</param>
/// <param name="AssemblyPath">Its assembly.</param>
/// <param name="Contributions">What it contributes, in order of kind and name.</param>
public sealed record PluginDescription(
    string Id, string Version, string? ContractVersion, string Description, string Folder, string AssemblyPath,
    IReadOnlyList<ContributionDescription> Contributions);

/// <summary>A contribution as the metadata of its plugin describes it.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Name">Its name in configuration.</param>
/// <param name="Description">One sentence, or empty.</param>
/// <param name="PluginId">The plugin it comes from.</param>
/// <param name="TypeName">Full name of the type that implements it.</param>
/// <param name="State">What it declares about saving its state; null for kinds that have none.</param>
public sealed record ContributionDescription(
    ContributionKind Kind, string Name, string Description, string PluginId, string TypeName, DeclaredState? State);

/// <summary>What a contribution declares about saving its state.</summary>
/// <param name="Support">Whether it can be saved.</param>
/// <param name="Version">Version of the state that it writes.</param>
/// <param name="OldestReadable">Oldest version that it reads.</param>
public sealed record DeclaredState(StateSupport Support, int Version, int OldestReadable);
