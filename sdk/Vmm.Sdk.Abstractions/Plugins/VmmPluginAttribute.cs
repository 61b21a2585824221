namespace Vmm.Sdk;

/// <summary>
/// Marks an assembly as a plugin. The host reads it from metadata, without running any code of the assembly;
/// an assembly without it is not a plugin and is refused when named as one.
/// </summary>
/// <param name="id">Unique id, <c>vendor.name</c>, lower case letters, digits, dots and hyphens.</param>
[AttributeUsage(AttributeTargets.Assembly)]
public sealed class VmmPluginAttribute(string id) : Attribute
{
    /// <summary>The unique id of the plugin.</summary>
    public string Id { get; } = id;

    /// <summary>One sentence for <c>vmm plugin list</c>.</summary>
    public string? Description { get; init; }
}
