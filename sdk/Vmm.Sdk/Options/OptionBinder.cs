using Vmm.Sdk;

[assembly: OptionBinder(typeof(OptionBinder))]

namespace Vmm.Sdk;

/// <summary>
/// Binds options by the public settable properties of a class or record with a parameterless constructor. Initialisers
/// are the defaults; names match without regard to case and hyphens (<c>read-only</c> is <c>ReadOnly</c>). Types:
/// text, integers (decimal, <c>0x3F8</c>, <c>64K</c>), <c>double</c>, <c>bool</c> (<c>on</c>/<c>off</c>), enums, and
/// arrays or lists of these (<c>a,b</c> or keys <c>name:0</c>, <c>name:1</c>).
/// </summary>
public sealed class OptionBinder : IOptionBinder, IOptionDescriber
{
    /// <inheritdoc/>
    public object Bind(Type optionsType, IOptionReader options)
    {
        OptionProperty[] properties = OptionProperty.Of(optionsType);
        Dictionary<OptionProperty, List<string>> given = Sort(properties, options);

        object target = Create(optionsType);
        foreach (OptionProperty property in properties)
        {
            if (given.TryGetValue(property, out List<string>? keys))
            {
                property.Bind(target, keys, options);
            }
            else if (property.Required)
            {
                throw new OptionException(options.Source, property.Name, $"is required: {property.Describe(target).Type}");
            }
        }

        return target;
    }

    /// <inheritdoc/>
    public IReadOnlyList<OptionInfo> Describe(Type optionsType)
    {
        object defaults = Create(optionsType);
        return [.. OptionProperty.Of(optionsType).Select(property => property.Describe(defaults))];
    }

    private static object Create(Type optionsType) =>
        Activator.CreateInstance(optionsType)
        ?? throw new InvalidOperationException($"{optionsType} needs a public parameterless constructor to be an options type");

    private static Dictionary<OptionProperty, List<string>> Sort(OptionProperty[] properties, IOptionReader options)
    {
        var sorted = new Dictionary<OptionProperty, List<string>>();
        foreach (string key in options.Keys.Order(StringComparer.OrdinalIgnoreCase))
        {
            OptionProperty property = properties.FirstOrDefault(candidate => candidate.Matches(key)) ?? throw Unknown(key, properties, options);
            if (!sorted.TryGetValue(property, out List<string>? keys))
            {
                sorted[property] = keys = [];
            }

            keys.Add(key);
        }

        return sorted;
    }

    private static OptionException Unknown(string key, OptionProperty[] properties, IOptionReader options)
    {
        string[] names = [.. properties.Select(property => property.Name).Order(StringComparer.Ordinal)];
        if (names.Length == 0)
        {
            return new OptionException(options.Source, key, "is not known; there are no options here");
        }

        string? nearest = NearestName.Find(key, names);
        string hint = nearest is null ? "" : $"; did you mean '{nearest}'?";
        return new OptionException(options.Source, key, $"is not known{hint} (known: {string.Join(", ", names)})");
    }
}
