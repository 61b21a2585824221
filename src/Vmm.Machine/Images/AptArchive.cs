using System.Security.Cryptography;

namespace Vmm.Machine.Images;

/// <summary>
/// Packages of the Debian archive by the host's own apt, without root and without a change to the system: where the
/// system has no package lists (a fresh container) they are fetched into the cache.
/// </summary>
internal sealed class AptArchive(string folder, CancellationToken cancellation)
{
    private string[] _options = [];

    /// <summary>Whether the host has apt.</summary>
    public static bool IsPresent => ExternalTool.Exists("apt-get") && ExternalTool.Exists("apt-cache");

    /// <summary>The newest package whose name starts and ends as given, for an architecture.</summary>
    /// <returns>Its name, or null when the archive has none.</returns>
    public async Task<string?> FindAsync(string prefix, string suffix, Func<string, bool> wanted)
    {
        string output = await ApplyAsync("apt-cache", "pkgnames", prefix).ConfigureAwait(false);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(name => name.EndsWith(suffix, StringComparison.Ordinal) && wanted(name))
            .OrderByDescending(VersionKey, StringComparer.Ordinal)
            .FirstOrDefault();
    }

    /// <summary>What a package depends on.</summary>
    public async Task<IReadOnlyList<string>> DependenciesAsync(string package)
    {
        string output = await ApplyAsync("apt-cache", "show", "--no-all-versions", package).ConfigureAwait(false);
        return Field(output, "Depends")?.Split([',', '|'], StringSplitOptions.TrimEntries).Select(part => part.Split(' ')[0]).ToArray() ?? [];
    }

    /// <summary>Whether the package lists know a package.</summary>
    public async Task<bool> KnowsAsync(string package)
    {
        try
        {
            return (await ApplyAsync("apt-cache", "show", "--no-all-versions", package).ConfigureAwait(false)).Length != 0;
        }
        catch (MachineException)
        {
            return false;
        }
    }

    /// <summary>Fetches package lists into a private folder and uses them from then on.</summary>
    public async Task UpdateAsync()
    {
        string lists = Directory.CreateDirectory(Path.Combine(folder, "lists")).FullName;
        string cache = Directory.CreateDirectory(Path.Combine(folder, "cache")).FullName;
        Directory.CreateDirectory(Path.Combine(lists, "partial"));
        Directory.CreateDirectory(Path.Combine(cache, "archives", "partial"));
        _options =
        [
            "-o", $"Dir::State::lists={lists}", "-o", $"Dir::Cache={cache}", "-o", "APT::Sandbox::User=", "-o", "Acquire::Languages=none",
        ];
        await ApplyAsync("apt-get", "update").ConfigureAwait(false);
    }

    /// <summary>Downloads a package and checks it against the hash in the signed package lists.</summary>
    /// <returns>Path of the file.</returns>
    public async Task<string> DownloadAsync(string package)
    {
        string target = Directory.CreateDirectory(Path.Combine(folder, "download", package.Replace(':', '_'))).FullName;
        await ExternalTool.RunAsync("apt-get", [.. _options, "-o", "APT::Sandbox::User=", "download", package], target, cancellation).ConfigureAwait(false);
        string file = Directory.EnumerateFiles(target, "*.deb").Single();
        string version = Uri.UnescapeDataString(Path.GetFileName(file).Split('_')[1]);
        string listed = Field(await ApplyAsync("apt-cache", "show", $"{package}={version}").ConfigureAwait(false), "SHA256")
            ?? throw new MachineException($"The package lists have no SHA-256 for {package}; it cannot be verified.");
        await using FileStream stream = File.OpenRead(file);
        string found = Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellation).ConfigureAwait(false));
        return found == listed.ToLowerInvariant()
            ? file
            : throw new MachineException($"{file}: the download is damaged: SHA-256 {found}, the package lists say {listed}.");
    }

    private static string? Field(string record, string name) =>
        record.Split('\n').FirstOrDefault(line => line.StartsWith(name + ": ", StringComparison.Ordinal))?[(name.Length + 2)..].Trim();

    /// <summary>Numbers padded, so that 6.1.0-9 comes before 6.1.0-53.</summary>
    private static string VersionKey(string name) =>
        System.Text.RegularExpressions.Regex.Replace(name, "[0-9]+", match => match.Value.PadLeft(8, '0'));

    private Task<string> ApplyAsync(string tool, params ReadOnlySpan<string> arguments) =>
        ExternalTool.RunAsync(tool, [.. _options, .. arguments], folder: null, cancellation);
}
