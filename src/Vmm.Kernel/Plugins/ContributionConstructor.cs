using System.Reflection;
using System.Runtime.Loader;

namespace Vmm.Kernel.Plugins;

/// <summary>
/// The constructor of a contribution, sorted into what the host provides and what the plugin binds itself. Parameter
/// types are all that the host ever looks at: it never reflects over an options type.
/// </summary>
internal sealed class ContributionConstructor
{
    private readonly ParameterInfo[] _parameters;
    private readonly string _contribution;

    private ContributionConstructor(Type type, ParameterInfo[] parameters, string contribution)
    {
        Type = type;
        _parameters = parameters;
        _contribution = contribution;
        Type[] own = [.. parameters.Select(parameter => parameter.ParameterType).Where(IsOfPlugin).Distinct()];
        OptionsType = own.Length <= 1
            ? own.FirstOrDefault()
            : throw new PluginException($"{contribution}: its constructor asks for {string.Join(" and ", own.Select(options => options.Name))}; only one options type can be bound");
    }

    /// <summary>The type to construct.</summary>
    public Type Type { get; }

    /// <summary>The plugin's own type that holds the options, or null.</summary>
    public Type? OptionsType { get; }

    /// <summary>Whether anything reads the options.</summary>
    public bool TakesOptions => OptionsType is not null || _parameters.Any(parameter => parameter.ParameterType == typeof(IOptionReader));

    public static ContributionConstructor Of(Type type, string contribution)
    {
        ConstructorInfo[] constructors = type.GetConstructors();
        return constructors is [var only]
            ? new ContributionConstructor(type, only.GetParameters(), contribution)
            : throw new PluginException($"{contribution}: {type} has {constructors.Length} public constructors; it needs exactly one");
    }

    /// <summary>Refuses a constructor that asks for something this host does not offer here.</summary>
    public void Check(IReadOnlyDictionary<Type, object> services)
    {
        ParameterInfo? unmet = _parameters.FirstOrDefault(parameter =>
            !parameter.HasDefaultValue && parameter.ParameterType != OptionsType && parameter.ParameterType != typeof(IOptionReader) && !services.ContainsKey(parameter.ParameterType));
        if (unmet is not null)
        {
            string offered = string.Join(", ", services.Keys.Select(type => type.Name).Append(nameof(IOptionReader)).Order(StringComparer.Ordinal));
            throw new PluginException($"{_contribution}: its constructor asks for {unmet.ParameterType.Name} {unmet.Name}, which is not offered here (offered: {offered})");
        }
    }

    private static bool IsOfPlugin(Type type) => AssemblyLoadContext.GetLoadContext(type.Assembly) != AssemblyLoadContext.GetLoadContext(typeof(IDevice).Assembly);
}
