using Vmm.Machine;
using Vmm.Sdk;

namespace Vmm.Cli;

/// <summary>Reads the options of engines, with errors that say what there is.</summary>
internal static class EngineOptions
{
    /// <summary>Refuses options that the engine does not have.</summary>
    /// <exception cref="MachineException">There is one.</exception>
    public static void CheckKeys(string engine, IReadOnlyDictionary<string, string> options, params IReadOnlyList<string> known)
    {
        foreach (string key in options.Keys.Where(key => !known.Contains(key, StringComparer.OrdinalIgnoreCase)))
        {
            string hint = NearestName.Find(key, known) is { } nearest ? $"; did you mean '{nearest}'?"
                : known.Count != 0 ? $"; it has {string.Join(", ", known)}."
                : "; it has none.";
            throw new MachineException($"engineOptions: the engine '{engine}' has no option '{key}'{hint}");
        }
    }

    /// <summary>An option that is one of several words; the first where it is not given.</summary>
    /// <exception cref="MachineException">It is another word.</exception>
    public static T Enum<T>(IReadOnlyDictionary<string, string> options, string key)
        where T : struct, Enum
    {
        if (!options.TryGetValue(key, out string? text))
        {
            return default;
        }

        return System.Enum.TryParse(text, ignoreCase: true, out T value) && System.Enum.IsDefined(value) && !char.IsAsciiDigit(text.FirstOrDefault())
            ? value
            : throw new MachineException($"engineOptions:{key}: '{text}' is none of {string.Join(", ", System.Enum.GetNames<T>()).ToLowerInvariant()}.");
    }
}
