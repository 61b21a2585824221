using System.Globalization;
using Vmm.Benchmarks.Peers;

namespace Vmm.Benchmarks;

/// <summary>What the command line says.</summary>
/// <param name="Mode">What is measured.</param>
/// <param name="Names">Words after it: which programs.</param>
/// <param name="Rounds">How often, or null for what is usual for the mode.</param>
/// <param name="Vmm">The command that is measured.</param>
internal sealed record Settings(string Mode, IReadOnlyList<string> Names, int? Rounds, VmmPeer Vmm)
{
    /// <summary>Reads the command line.</summary>
    /// <exception cref="BenchmarkException">It is wrong.</exception>
    public static Settings Parse(IReadOnlyList<string> arguments)
    {
        List<string> words = [];
        List<string> vmmArguments = [];
        string? executable = null;
        int? rounds = null;
        for (int i = 0; i < arguments.Count; i++)
        {
            switch (arguments[i])
            {
                case "--rounds":
                    rounds = int.TryParse(Value(arguments, ref i), CultureInfo.InvariantCulture, out int given) && given > 0
                        ? given
                        : throw new BenchmarkException("--rounds takes a number from 1 on.");
                    break;
                case "--vmm":
                    executable = Value(arguments, ref i);
                    break;
                case "--engine-option":
                    vmmArguments.AddRange(["--engine-option", Value(arguments, ref i)]);
                    break;
                case "--vmm-args":
                    vmmArguments.AddRange(Value(arguments, ref i).Split(' ', StringSplitOptions.RemoveEmptyEntries));
                    break;
                case ['-', ..]:
                    throw new BenchmarkException($"'{arguments[i]}' is not an option.");
                default:
                    words.Add(arguments[i]);
                    break;
            }
        }

        return new Settings(words.FirstOrDefault() ?? "", [.. words.Skip(1)], rounds, new VmmPeer(executable, vmmArguments));
    }

    private static string Value(IReadOnlyList<string> arguments, ref int index) =>
        ++index < arguments.Count ? arguments[index] : throw new BenchmarkException($"{arguments[index - 1]} takes a value.");
}
