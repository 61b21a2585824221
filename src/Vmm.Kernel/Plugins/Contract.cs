using System.Reflection;
using System.Reflection.Metadata;

namespace Vmm.Kernel.Plugins;

/// <summary>
/// What this host's <c>Vmm.Sdk.Abstractions</c> offers, by metadata, to hold references of plugins against. Its assembly
/// version never moves within a major version, so the runtime would only notice a missing member when it is called:
/// in the middle of a guest.
/// </summary>
internal sealed class Contract
{
    public const string AssemblyName = "Vmm.Sdk.Abstractions";

    private readonly Dictionary<string, (HashSet<string> Members, string? Base)> _types = [];
    private readonly Dictionary<Guid, string[]> _missing = [];

    private Contract(AssemblyFile file)
    {
        MetadataReader metadata = file.Metadata;
        foreach (TypeDefinitionHandle handle in metadata.TypeDefinitions)
        {
            TypeDefinition type = metadata.GetTypeDefinition(handle);
            HashSet<string> members = [];
            foreach (MethodDefinitionHandle method in type.GetMethods())
            {
                MethodDefinition definition = metadata.GetMethodDefinition(method);
                members.Add(metadata.GetString(definition.Name) + " " + SignatureText.Of(definition.DecodeSignature(SignatureText.Instance, null)));
            }

            foreach (FieldDefinitionHandle field in type.GetFields())
            {
                FieldDefinition definition = metadata.GetFieldDefinition(field);
                members.Add(metadata.GetString(definition.Name) + " " + definition.DecodeSignature(SignatureText.Instance, null));
            }

            _types[MetadataNames.Of(metadata, handle)] = (members, type.BaseType.IsNil ? null : MetadataNames.Of(metadata, type.BaseType));
        }

        Assembly assembly = typeof(IDevice).Assembly;
        AssemblyVersion = assembly.GetName().Version!;
        Version = assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? AssemblyVersion.ToString();
    }

    /// <summary>Version of the contract package: 1.y.z.</summary>
    public string Version { get; }

    /// <summary>Assembly version, fixed for a major version.</summary>
    public Version AssemblyVersion { get; }

    public static Contract OfThisHost()
    {
        using AssemblyFile file = AssemblyFile.TryOpen(typeof(IDevice).Assembly.Location)
            ?? throw new InvalidOperationException($"{AssemblyName} was not loaded from a file");
        return new Contract(file);
    }

    /// <summary>
    /// What an assembly references in the contract and this host does not have; names as people write them. Each plugin brings
    /// the same libraries: one module is read once.
    /// </summary>
    public IReadOnlyList<string> MissingFor(AssemblyFile file)
    {
        Guid module = file.Metadata.GetGuid(file.Metadata.GetModuleDefinition().Mvid);
        lock (_missing)
        {
            if (_missing.TryGetValue(module, out string[]? known))
            {
                return known;
            }
        }

        string[] missing = [.. FindMissing(file).Distinct().Order(StringComparer.Ordinal)];
        lock (_missing)
        {
            return _missing[module] = missing;
        }
    }

    private IEnumerable<string> FindMissing(AssemblyFile file)
    {
        MetadataReader metadata = file.Metadata;
        HashSet<string> referenced = [];
        foreach (TypeReferenceHandle handle in metadata.TypeReferences)
        {
            if (MetadataNames.AssemblyOf(metadata, handle) != AssemblyName)
            {
                continue;
            }

            string name = MetadataNames.Of(metadata, handle);
            referenced.Add(name);
            if (!_types.ContainsKey(name))
            {
                yield return ForPeople(name);
            }
        }

        foreach (MemberReferenceHandle handle in metadata.MemberReferences)
        {
            MemberReference member = metadata.GetMemberReference(handle);
            string? type = MetadataNames.Of(metadata, member.Parent);
            if (type is null || !referenced.Contains(type) || !_types.ContainsKey(type))
            {
                continue;
            }

            string name = metadata.GetString(member.Name);
            string signature = member.GetKind() == MemberReferenceKind.Method
                ? SignatureText.Of(member.DecodeMethodSignature(SignatureText.Instance, null))
                : member.DecodeFieldSignature(SignatureText.Instance, null);
            if (!Has(type, name, signature))
            {
                yield return $"{ForPeople(type)}.{MemberForPeople(name, type)}";
            }
        }
    }

    private bool Has(string type, string name, string signature)
    {
        string? at = type;
        while (at is not null && _types.TryGetValue(at, out (HashSet<string> Members, string? Base) known))
        {
            if (known.Members.Contains($"{name} {signature}"))
            {
                return true;
            }

            at = known.Base;
        }

        // Inherited from the BCL (Exception.Message, Object.ToString): the runtime is the same or newer.
        return at is not null && Type.GetType(at)?.GetMember(name, BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static) is [_, ..]
            && name != ".ctor";
    }

    private static string ForPeople(string type) => type[(type.LastIndexOf('.') + 1)..].Replace('+', '.');

    private static string MemberForPeople(string name, string type) => name switch
    {
        ".ctor" => $"{ForPeople(type)}(…)",
        _ when name.StartsWith("get_", StringComparison.Ordinal) || name.StartsWith("set_", StringComparison.Ordinal) => name[4..],
        _ when name.StartsWith("add_", StringComparison.Ordinal) => name[4..],
        _ when name.StartsWith("remove_", StringComparison.Ordinal) => name[7..],
        _ => name,
    };
}
