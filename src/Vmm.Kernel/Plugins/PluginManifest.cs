using System.Reflection;
using System.Reflection.Metadata;

namespace Vmm.Kernel.Plugins;

/// <summary>Reads what the attributes of an assembly say about the plugin in it. The attributes are the manifest: there is no second file.</summary>
internal static class PluginManifest
{
    /// <summary>The description, or null when the assembly is not marked as a plugin.</summary>
    public static PluginDescription? Read(AssemblyFile file)
    {
        if (Values(file, typeof(VmmPluginAttribute)).ToList() is not [var plugin, ..])
        {
            return null;
        }

        string id = plugin.FixedArguments[0].Value as string ?? "";
        string? informational = Values(file, typeof(AssemblyInformationalVersionAttribute)).Select(value => value.FixedArguments[0].Value as string).FirstOrDefault();
        string? contract = Values(file, typeof(AssemblyMetadataAttribute))
            .Where(value => value.FixedArguments[0].Value is Contract.AssemblyName)
            .Select(value => value.FixedArguments[1].Value as string).FirstOrDefault();

        return new PluginDescription(
            id,
            informational?.Split('+')[0] ?? file.Metadata.GetAssemblyDefinition().Version.ToString(),
            contract,
            Named(plugin, nameof(VmmPluginAttribute.Description), ""),
            Path.GetDirectoryName(file.Path)!,
            file.Path,
            [.. Contributions(file, id).OrderBy(c => c.Kind).ThenBy(c => c.Name, StringComparer.Ordinal)]);
    }

    private static IEnumerable<CustomAttributeValue<string>> Values(AssemblyFile file, Type attribute) =>
        from entry in file.Attributes(file.Metadata.GetAssemblyDefinition().GetCustomAttributes())
        where entry.Name == attribute.FullName
        select entry.Attribute.DecodeValue(AttributeTypes.Instance);

    private static IEnumerable<ContributionDescription> Contributions(AssemblyFile file, string pluginId)
    {
        foreach (TypeDefinitionHandle handle in file.Metadata.TypeDefinitions)
        {
            foreach ((string name, CustomAttribute attribute) in file.Attributes(file.Metadata.GetTypeDefinition(handle).GetCustomAttributes()))
            {
                if (ContributionKinds.OfAttribute(name) is { } kind)
                {
                    CustomAttributeValue<string> value = attribute.DecodeValue(AttributeTypes.Instance);
                    yield return new ContributionDescription(
                        kind,
                        value.FixedArguments[0].Value as string ?? "",
                        Named(value, nameof(ContributionAttribute.Description), ""),
                        pluginId,
                        MetadataNames.Of(file.Metadata, handle),
                        kind is ContributionKind.Device or ContributionKind.BlockBackend or ContributionKind.ExitHandler ? State(value, kind) : null);
                }
            }
        }
    }

    private static DeclaredState State(CustomAttributeValue<string> attribute, ContributionKind kind) => new(
        (StateSupport)Named(attribute, nameof(StatefulContributionAttribute.State), (int)(kind == ContributionKind.Device ? StateSupport.Saved : StateSupport.None)),
        Named(attribute, nameof(StatefulContributionAttribute.StateVersion), 1),
        Named(attribute, nameof(StatefulContributionAttribute.OldestReadableState), 1));

    private static T Named<T>(CustomAttributeValue<string> attribute, string name, T absent) =>
        attribute.NamedArguments.Where(argument => argument.Name == name).Select(argument => argument.Value).FirstOrDefault() is T value ? value : absent;
}
