using System.Text.RegularExpressions;

namespace Vmm.Architecture.Tests;

/// <summary>Rules that the compiler does not know.</summary>
public sealed partial class SourceTests
{
    private const int MaximumLines = 600;

    private static IEnumerable<string> Written =>
        ((string[])["src", "sdk", "plugins", "tests"]).SelectMany(folder => Sources.Files(folder, ".cs"))
            .Where(path => !path.EndsWith(".g.cs", StringComparison.Ordinal) && !path.Contains("/Generated/", StringComparison.Ordinal));

    [Fact]
    public void No_file_is_longer_than_600_lines()
    {
        var tooLong = from path in Written
                      let lines = Sources.Read(path).Count(c => c == '\n')
                      where lines > MaximumLines
                      select $"{path}: {lines}";
        Assert.Empty(tooLong);
    }

    [Fact]
    public void Devices_know_no_time_but_the_virtual_clock()
    {
        var uses = from path in Sources.Files("plugins/devices", ".cs")
                   from line in Sources.Read(path).Split('\n')
                   where HostTime.IsMatch(WithoutComment(line))
                   select $"{path}: {line.Trim()}";
        Assert.Empty(uses);
    }

    [Fact]
    public void No_test_sleeps()
    {
        var sleeps = from path in Sources.Files("tests", ".cs")
                     where !path.EndsWith("/SourceTests.cs", StringComparison.Ordinal)
                     from line in Sources.Read(path).Split('\n')
                     where line.Contains("Thread.Sleep(", StringComparison.Ordinal)
                     select $"{path}: {line.Trim()}";
        Assert.Empty(sleeps);
    }

    [Fact]
    public void The_platform_names_no_plugin_and_no_contribution()
    {
        string[] names = [.. Sources.Files("plugins", ".cs").SelectMany(path => Names(Sources.Read(path))).Distinct()];
        Assert.NotEmpty(names);

        // Board files (JSON) choose plugins; code does not.
        var mentions = from path in Sources.Files("src", ".cs")
                       from line in Sources.Read(path).Split('\n')
                       from name in names
                       where WithoutComment(line).Contains($"\"{name}\"", StringComparison.Ordinal)
                       select $"{path}: {line.Trim()}";
        Assert.Empty(mentions);
    }

    [Theory]
    [InlineData("devices", "DeviceModel")]
    [InlineData("exits", "ExitHandler")]
    [InlineData("network", "NetworkBackend")]
    [InlineData("schedulers", "Scheduler")]
    [InlineData("storage", "BlockBackend")]
    public void Plugins_stand_in_the_folder_of_what_they_contribute(string folder, string attribute)
    {
        string[] kinds = [.. Sources.Files($"plugins/{folder}", ".cs").SelectMany(path => Contribution.Matches(Sources.Read(path)))
            .Select(match => match.Value[..match.Value.IndexOf('(')]).Where(kind => kind != "VmmPlugin").Distinct()];
        Assert.Equal([attribute], kinds);
    }

    [Theory]
    [InlineData("#region")]
    [InlineData("NotImplementedException")]
    [InlineData("TODO")]
    public void Nothing_is_left_unfinished_or_folded_away(string word) =>
        Assert.DoesNotContain(Written, path => !path.EndsWith("/SourceTests.cs", StringComparison.Ordinal) && Sources.Read(path).Contains(word, StringComparison.Ordinal));

    /// <summary>Plugin ids, and contribution names that are no ordinary words.</summary>
    private static IEnumerable<string> Names(string source) =>
        Contribution.Matches(source).Select(match => match.Groups[1].Value).Where(name => name.Any(c => c is '-' or '.' || char.IsDigit(c)));

    private static string WithoutComment(string line) =>
        line.IndexOf("//", StringComparison.Ordinal) is var at and >= 0 ? line[..at] : line;

    [GeneratedRegex(@"\b(DateTime(Offset)?\.(Now|UtcNow)|Stopwatch\.|Environment\.TickCount|Thread\.Sleep|Task\.Delay|TimeProvider\.System|new (System\.Threading\.)?Timer\()")]
    private static partial Regex HostTime { get; }

    [GeneratedRegex(@"\b(?:VmmPlugin|DeviceModel|BlockBackend|Scheduler|ExitHandler|NetworkBackend)\(""([^""]+)""")]
    private static partial Regex Contribution { get; }
}
