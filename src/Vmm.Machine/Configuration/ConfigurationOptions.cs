using Microsoft.Extensions.Configuration;

namespace Vmm.Machine.Configuration;

/// <summary>The <c>options</c> of one entry as a plugin reads them: flat keys with text values.</summary>
internal sealed class ConfigurationOptions : IOptionReader
{
    private readonly Dictionary<string, string> _values = new(StringComparer.OrdinalIgnoreCase);

    /// <param name="source">Where the options stand.</param>
    /// <param name="options">The group, which may be absent.</param>
    public ConfigurationOptions(string source, IConfigurationSection options)
    {
        Source = source;
        Collect(options, "");
    }

    /// <param name="source">Where the options stand.</param>
    /// <param name="values">Keys and values.</param>
    public ConfigurationOptions(string source, IEnumerable<KeyValuePair<string, string>> values)
    {
        Source = source;
        foreach ((string key, string value) in values)
        {
            _values[key] = value;
        }
    }

    public string Source { get; }

    public IReadOnlyCollection<string> Keys => _values.Keys;

    public string? Find(string key) => _values.GetValueOrDefault(key);

    private void Collect(IConfigurationSection section, string prefix)
    {
        foreach (IConfigurationSection child in section.GetChildren())
        {
            if (child.Value is not null)
            {
                _values[prefix + child.Key] = child.Value;
            }

            Collect(child, $"{prefix}{child.Key}:");
        }
    }
}
