using System.Globalization;

namespace Vmm.Benchmarks.GuestPrograms;

/// <summary>What a run of programs printed: for each its best time and the sum that proves that it computed something.</summary>
internal sealed class ProgramResults
{
    private readonly Dictionary<string, (double Seconds, string Sum)> _results = [];

    /// <summary>Best time of a program, or null if it did not come to its end.</summary>
    public double? Seconds(string name) => _results.TryGetValue(name, out (double Seconds, string Sum) result) ? result.Seconds : null;

    /// <summary>What the program computed.</summary>
    public string? Sum(string name) => _results.TryGetValue(name, out (double Seconds, string Sum) result) ? result.Sum : null;

    /// <summary>Takes lines of the form <c>result NAME NANOSECONDS SUM</c>; the better time stays.</summary>
    public void Add(string output)
    {
        foreach (string line in output.Split('\n', StringSplitOptions.TrimEntries))
        {
            if (line.Split(' ') is ["result", var name, var time, var sum]
                && double.TryParse(time, CultureInfo.InvariantCulture, out double nanoseconds)
                && !(Seconds(name) <= nanoseconds / 1e9))
            {
                _results[name] = (nanoseconds / 1e9, sum);
            }
        }
    }
}
