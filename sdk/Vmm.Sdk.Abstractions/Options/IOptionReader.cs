namespace Vmm.Sdk;

/// <summary>
/// The options of one contribution as the configuration gives them: a flat list of keys with text values. Lists have
/// keys <c>name:0</c>, <c>name:1</c>; groups have keys <c>name:part</c>. Keys compare without regard to case.
/// </summary>
public interface IOptionReader
{
    /// <summary>Where the options come from, for error messages: <c>pc.json: devices:com1</c> or <c>--device acme-led-panel</c>.</summary>
    string Source { get; }

    /// <summary>Every key that was given, in no particular order.</summary>
    IReadOnlyCollection<string> Keys { get; }

    /// <summary>The value of a key, or null when it was not given.</summary>
    /// <param name="key">The key; case does not matter.</param>
    string? Find(string key);
}

/// <summary>Binds option text to an options type inside the plugin. Implemented in <c>Vmm.Sdk</c>; see <see cref="OptionBinderAttribute"/>.</summary>
public interface IOptionBinder
{
    /// <summary>Creates and validates an options object.</summary>
    /// <param name="optionsType">The type that the contribution's constructor asks for.</param>
    /// <param name="options">The text to bind.</param>
    /// <exception cref="OptionException">A key is unknown, or a value is missing, malformed or out of range.</exception>
    object Bind(Type optionsType, IOptionReader options);
}

/// <summary>An option that cannot be used. The message names source, key, what was wrong and, for an unknown key, the nearest valid one.</summary>
/// <param name="source">Where the option stands, from <see cref="IOptionReader.Source"/>.</param>
/// <param name="key">The offending key.</param>
/// <param name="problem">What is wrong and what would be right, as a sentence without the key.</param>
public sealed class OptionException(string source, string key, string problem) : Exception($"{source}: option '{key}': {problem}")
{
    /// <summary>Where the option stands.</summary>
    public string OptionSource { get; } = source;

    /// <summary>The offending key.</summary>
    public string Key { get; } = key;
}
