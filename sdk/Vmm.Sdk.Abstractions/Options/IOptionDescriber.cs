namespace Vmm.Sdk;

/// <summary>Lists the options of an options type, for <c>vmm plugin inspect</c>. An ability of an <see cref="IOptionBinder"/>.</summary>
public interface IOptionDescriber
{
    /// <summary>The options, in order of declaration.</summary>
    /// <param name="optionsType">The type that the contribution's constructor asks for.</param>
    IReadOnlyList<OptionInfo> Describe(Type optionsType);
}

/// <summary>One option, as a person reads it.</summary>
/// <param name="Name">The key.</param>
/// <param name="Type">What values it takes: <c>text</c>, <c>on|off</c>, <c>0..65535</c>, <c>list of text</c>.</param>
/// <param name="Default">The default as configuration would write it; null when the option must be given.</param>
/// <param name="Description">One sentence, or empty.</param>
public sealed record OptionInfo(string Name, string Type, string? Default, string Description);
