using System.Reflection;
using System.Reflection.Metadata;

namespace Vmm.Kernel.Plugins;

/// <summary>Reads what the attributes of an assembly say about the plugin in it. The attributes are the manifest: there is no second file.</summary>
internal static class PluginManifest
{
    /// <summary>The description, or null when the assembly is not marked as a plugin.</summary>
    public static PluginDescription? Read(AssemblyFile file)
    {
        var attributes = file.Attributes(file.Metadata.GetAssemblyDefinition().GetCustomAttributes()).ToList();
        CustomAttributeValue<string>? mark = attributes
            .Where(a => a.Attribute == typeof(VmmPluginAttribute).FullName).Select(a => (CustomAttributeValue<string>?)a.Value).FirstOrDefault();
        if (mark is not { } plugin)
        {
            return null;
        }

        string id = plugin.FixedArguments[0].Value as string ?? "";
        string? informational = attributes
            .Where(a => a.Attribute == typeof(AssemblyInformationalVersionAttribute).FullName)
            .Select(a => a.Value.FixedArguments[0].Value as string).FirstOrDefault();
        string? contract = attributes
            .Where(a => a.Attribute == typeof(AssemblyMetadataAttribute).FullName && a.Value.FixedArguments[0].Value is Contract.AssemblyName)
            .Select(a => a.Value.FixedArguments[1].Value as string).FirstOrDefault();

        return new PluginDescription(
            id,
            informational?.Split('+')[0] ?? file.Metadata.GetAssemblyDefinition().Version.ToString(),
            contract,
            Named(plugin, nameof(VmmPluginAttribute.Description), ""),
            Path.GetDirectoryName(file.Path)!,
            file.Path,
            [.. Contributions(file, id).OrderBy(c => c.Kind).ThenBy(c => c.Name, StringComparer.Ordinal)]);
    }

    private static IEnumerable<ContributionDescription> Contributions(AssemblyFile file, string pluginId)
    {
        foreach (TypeDefinitionHandle handle in file.Metadata.TypeDefinitions)
        {
            foreach ((string attribute, CustomAttributeValue<string> value) in file.Attributes(file.Metadata.GetTypeDefinition(handle).GetCustomAttributes()))
            {
                if (ContributionKinds.OfAttribute(attribute) is { } kind)
                {
                    yield return new ContributionDescription(
                        kind,
                        value.FixedArguments[0].Value as string ?? "",
                        Named(value, nameof(ContributionAttribute.Description), ""),
                        pluginId,
                        MetadataNames.Of(file.Metadata, handle),
                        kind == ContributionKind.Device ? State(value) : null);
                }
            }
        }
    }

    private static DeclaredState State(CustomAttributeValue<string> device) => new(
        (StateSupport)Named(device, nameof(DeviceModelAttribute.State), (int)StateSupport.Saved),
        Named(device, nameof(DeviceModelAttribute.StateVersion), 1),
        Named(device, nameof(DeviceModelAttribute.OldestReadableState), 1));

    private static T Named<T>(CustomAttributeValue<string> attribute, string name, T absent) =>
        attribute.NamedArguments.Where(argument => argument.Name == name).Select(argument => argument.Value).FirstOrDefault() is T value ? value : absent;
}
