using Vmm.Tests;

namespace Vmm.Architecture.Tests;

/// <summary>The files of the repository, without what builds leave behind.</summary>
internal static class Sources
{
    private static readonly string[] BuildFolders = ["obj", "bin", "artifacts", "TestResults", "BenchmarkDotNet.Artifacts"];

    /// <summary>Files under a top folder by the end of their name, as paths from the repository's root with '/'.</summary>
    public static IEnumerable<string> Files(string folder, string end) =>
        from path in Directory.EnumerateFiles(Repository.At(folder), "*" + end, SearchOption.AllDirectories)
        let relative = Path.GetRelativePath(Repository.Root, path).Replace('\\', '/')
        where !relative.Split('/').Intersect(BuildFolders).Any()
        orderby relative
        select relative;

    /// <summary>Every project file of the platform. Samples and templates are solutions of their own.</summary>
    public static IEnumerable<string> Projects() =>
        ((string[])["src", "sdk", "plugins", "tests"]).SelectMany(folder => Files(folder, ".csproj"))
            .Where(path => !path.StartsWith("sdk/samples/", StringComparison.Ordinal) && !path.StartsWith("sdk/templates/", StringComparison.Ordinal));

    /// <summary>The content of a file.</summary>
    public static string Read(string relative) => File.ReadAllText(Repository.At(relative));
}
