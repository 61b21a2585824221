namespace Vmm.Sdk.Testing;

/// <summary>Options as the command line gives them: <c>port=0x80,irq=4</c>.</summary>
public sealed class FakeOptions : IOptionReader
{
    private readonly Dictionary<string, string> _values = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Reads a list of <c>key=value</c> separated by commas; a key alone has the value <c>on</c>.</summary>
    /// <param name="list">The list; empty for none.</param>
    /// <param name="source">What <see cref="Source"/> gives.</param>
    /// <exception cref="FormatException">A key is missing or given twice.</exception>
    public FakeOptions(string list = "", string source = "test options")
    {
        ArgumentNullException.ThrowIfNull(list);
        Source = source;
        foreach (var item in list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var (key, value) = item.IndexOf('=') is var equals and >= 0 ? (item[..equals].Trim(), item[(equals + 1)..].Trim()) : (item, "on");
            if (key.Length == 0 || !_values.TryAdd(key, value))
            {
                throw new FormatException($"'{item}' in '{list}' has no key or repeats one.");
            }
        }
    }

    /// <inheritdoc/>
    public string Source { get; }

    /// <inheritdoc/>
    public IReadOnlyCollection<string> Keys => _values.Keys;

    /// <inheritdoc/>
    public string? Find(string key) => _values.GetValueOrDefault(key);
}
