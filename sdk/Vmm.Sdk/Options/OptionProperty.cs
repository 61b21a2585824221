using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Vmm.Sdk;

/// <summary>One property of an options type, as configuration sees it.</summary>
internal sealed class OptionProperty
{
    private readonly PropertyInfo _property;
    private readonly Type _scalar;
    private readonly bool _isList;
    private readonly OptionRangeAttribute? _range;

    private OptionProperty(PropertyInfo property)
    {
        _property = property;
        Type? element = ElementType(property.PropertyType);
        _isList = element is not null;
        Type type = element ?? property.PropertyType;
        _scalar = Nullable.GetUnderlyingType(type) ?? type;
        _range = property.GetCustomAttribute<OptionRangeAttribute>();
        Name = property.GetCustomAttribute<OptionNameAttribute>()?.Name ?? OptionText.Kebab(property.Name);
        Required = property.IsDefined(typeof(OptionRequiredAttribute)) || property.IsDefined(typeof(RequiredMemberAttribute));
        if (!OptionText.IsScalar(_scalar))
        {
            throw new InvalidOperationException(
                $"{property.DeclaringType}.{property.Name} has the type {property.PropertyType}, which is no option: use text, numbers, bool, enums and lists of these");
        }
    }

    /// <summary>The name in configuration.</summary>
    public string Name { get; }

    /// <summary>Whether configuration must give it.</summary>
    public bool Required { get; }

    /// <summary>The options of a type, in order of declaration.</summary>
    public static OptionProperty[] Of(Type type) =>
    [
        .. type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(property => property.SetMethod is { IsPublic: true } && property.GetIndexParameters().Length == 0)
            .Select(property => new OptionProperty(property)),
    ];

    /// <summary>Whether a key (with its index cut off) means this option.</summary>
    public bool Matches(string key) => OptionText.Normalise(KeyWithoutIndex(key)) == OptionText.Normalise(Name);

    /// <summary>Sets the property from the keys that mean it.</summary>
    public void Bind(object target, IReadOnlyList<string> keys, IOptionReader options)
    {
        if (_isList)
        {
            _property.SetValue(target, List(keys, options));
            return;
        }

        if (keys.Count > 1 || keys[0].Contains(':'))
        {
            throw new OptionException(options.Source, keys[0], $"is one {OptionText.NameOf(_scalar)}, not a list, but was given as {string.Join(", ", keys)}");
        }

        _property.SetValue(target, Parse(keys[0], options.Find(keys[0]) ?? "", options));
    }

    /// <summary>What <c>vmm plugin inspect</c> shows.</summary>
    public OptionInfo Describe(object defaults)
    {
        object? value = _property.GetValue(defaults);
        string text = _isList && value is IEnumerable list
            ? string.Join(',', list.Cast<object?>().Select(OptionText.Format))
            : OptionText.Format(value);
        string type = OptionText.NameOf(_scalar);
        if (type == "integer" && (_range is not null || _scalar != typeof(long)))
        {
            (decimal minimum, decimal maximum) = OptionText.Bounds(_scalar, _range);
            type = $"{minimum}..{maximum}";
        }

        return new OptionInfo(
            Name, _isList ? $"list of {type}" : type, Required ? null : text,
            _property.GetCustomAttribute<OptionDescriptionAttribute>()?.Text ?? "");
    }

    private static string KeyWithoutIndex(string key) => key.Split(':', 2)[0];

    private static Type? ElementType(Type type)
    {
        if (type.IsArray)
        {
            return type.GetElementType();
        }

        return type.IsGenericType && type.GetGenericArguments().Length == 1 && typeof(IEnumerable).IsAssignableFrom(type) ? type.GetGenericArguments()[0] : null;
    }

    private object? Parse(string key, string text, IOptionReader options)
    {
        (object? value, string? problem) = OptionText.Parse(_scalar, text, _range);
        return problem is null ? value : throw new OptionException(options.Source, key, problem);
    }

    private IList List(IReadOnlyList<string> keys, IOptionReader options)
    {
        // Either one key with commas, or keys name:0, name:1, … in the order of their numbers.
        (string Key, string Text)[] items = keys is [var only] && !only.Contains(':')
            ? [.. (options.Find(only) ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries).Select(text => (only, text))]
            : [.. keys.OrderBy(key => IndexOf(key, options)).Select(key => (key, options.Find(key) ?? ""))];

        var array = Array.CreateInstance(_property.PropertyType.IsArray ? _property.PropertyType.GetElementType()! : _property.PropertyType.GetGenericArguments()[0], items.Length);
        for (int i = 0; i < items.Length; i++)
        {
            array.SetValue(Parse(items[i].Key, items[i].Text, options), i);
        }

        return _property.PropertyType.IsAssignableFrom(array.GetType())
            ? array
            : (IList)Activator.CreateInstance(_property.PropertyType, array)!;
    }

    private static int IndexOf(string key, IOptionReader options) =>
        int.TryParse(key.Split(':', 2).ElementAtOrDefault(1), out int index) && index >= 0
            ? index
            : throw new OptionException(options.Source, key, $"is a list: give '{KeyWithoutIndex(key)}:0', '{KeyWithoutIndex(key)}:1' and so on, or one value with commas");
}
