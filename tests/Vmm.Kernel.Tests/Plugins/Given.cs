namespace Vmm.Kernel.Tests.Plugins;

/// <summary>Options as a test gives them.</summary>
internal sealed class Given : IOptionReader
{
    private readonly Dictionary<string, string> _values;

    public Given(params (string Key, string Value)[] values) =>
        _values = values.ToDictionary(v => v.Key, v => v.Value, StringComparer.OrdinalIgnoreCase);

    public string Source => "--device test";

    public IReadOnlyCollection<string> Keys => _values.Keys;

    public string? Find(string key) => _values.GetValueOrDefault(key);
}
