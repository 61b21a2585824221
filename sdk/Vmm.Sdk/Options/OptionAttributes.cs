namespace Vmm.Sdk;

/// <summary>Bounds a number option (each element, for a list).</summary>
/// <param name="minimum">Smallest legal value.</param>
/// <param name="maximum">Largest legal value.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class OptionRangeAttribute(long minimum, long maximum) : Attribute
{
    /// <summary>Smallest legal value.</summary>
    public long Minimum { get; } = minimum;

    /// <summary>Largest legal value.</summary>
    public long Maximum { get; } = maximum;
}

/// <summary>The option must be given. A C# <c>required</c> property needs no such attribute.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class OptionRequiredAttribute : Attribute;

/// <summary>Gives an option another name than its property's.</summary>
/// <param name="name">The name, lower case with hyphens.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class OptionNameAttribute(string name) : Attribute
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;
}

/// <summary>What an option means, for <c>vmm plugin inspect</c>.</summary>
/// <param name="text">One sentence.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class OptionDescriptionAttribute(string text) : Attribute
{
    /// <summary>One sentence.</summary>
    public string Text { get; } = text;
}
