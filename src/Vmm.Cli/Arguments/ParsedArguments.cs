using Vmm.Sdk;

namespace Vmm.Cli.Arguments;

/// <summary>A command line, taken apart.</summary>
internal sealed class ParsedArguments
{
    private readonly Dictionary<string, List<string>> _values = new(StringComparer.Ordinal);
    private readonly List<string> _words = [];

    private ParsedArguments()
    {
    }

    /// <summary>What is no option, in order.</summary>
    public IReadOnlyList<string> Words => _words;

    /// <summary>Takes arguments apart: <c>--name value</c>, <c>--name=value</c>, <c>--switch</c>; <c>--</c> ends the options.</summary>
    /// <param name="arguments">The arguments after the command.</param>
    /// <param name="options">The options that the command knows.</param>
    public static ParsedArguments Parse(ReadOnlySpan<string> arguments, IReadOnlyList<Option> options)
    {
        ParsedArguments parsed = new();
        for (int i = 0; i < arguments.Length; i++)
        {
            string argument = arguments[i];
            if (argument == "--")
            {
                parsed._words.AddRange(arguments[(i + 1)..]);
                break;
            }

            if (!argument.StartsWith('-') || argument == "-")
            {
                parsed._words.Add(argument);
                continue;
            }

            int equals = argument.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? argument : argument[..equals];
            Option option = Find(name, options);
            string value = "on";
            if (option.Value is null)
            {
                if (equals >= 0)
                {
                    throw new UsageException($"{name} takes no value.");
                }
            }
            else if (equals >= 0)
            {
                value = argument[(equals + 1)..];
            }
            else if (++i < arguments.Length)
            {
                value = arguments[i];
            }
            else
            {
                throw new UsageException($"{name} needs a value: {name} {option.Value}.");
            }

            parsed.Add(option, value);
        }

        return parsed;
    }

    /// <summary>Whether an option was given.</summary>
    public bool Has(string name) => _values.ContainsKey(name);

    /// <summary>The value of an option, or null.</summary>
    public string? Find(string name) => _values.TryGetValue(name, out List<string>? values) ? values[^1] : null;

    /// <summary>All values of a repeatable option, in order.</summary>
    public IReadOnlyList<string> All(string name) => _values.TryGetValue(name, out List<string>? values) ? values : [];

    private static Option Find(string name, IReadOnlyList<Option> options)
    {
        Option? option = options.FirstOrDefault(candidate => $"--{candidate.Name}" == name);
        if (option is not null)
        {
            return option;
        }

        string? nearest = NearestName.Find(name.TrimStart('-'), options.Select(candidate => candidate.Name));
        throw new UsageException($"{name} is not an option{(nearest is null ? "" : $"; did you mean --{nearest}?")}");
    }

    private void Add(Option option, string value)
    {
        if (!_values.TryGetValue(option.Name, out List<string>? values))
        {
            _values[option.Name] = values = [];
        }
        else if (!option.Repeatable && option.Value is not null)
        {
            throw new UsageException($"--{option.Name} is given twice.");
        }

        values.Add(value);
    }
}
