namespace Vmm.Benchmarks.Peers;

/// <summary>Programs of the host.</summary>
internal static class SearchPath
{
    /// <summary>Null if the program is there, else what to do.</summary>
    public static string? Missing(string program, string package)
    {
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        return folders.Any(folder => File.Exists(Path.Combine(folder, program)))
            ? null
            : $"{program} is not installed: apt-get install {package}";
    }
}
