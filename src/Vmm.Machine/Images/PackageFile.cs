namespace Vmm.Machine.Images;

/// <summary>One file out of a package of Debian's archive, or the package itself.</summary>
/// <param name="Name">Its name in the cache.</param>
/// <param name="PackagePrefix">How the name of the package starts; the newest one is taken.</param>
/// <param name="PackageSuffix">How the name of the package ends.</param>
/// <param name="FileName">Name for the file in the cache.</param>
/// <param name="Wanted">Picks the file by its path inside the package, such as <c>usr/share/seabios/bios.bin</c>; null takes the package.</param>
public sealed record PackageFile(string Name, string PackagePrefix, string PackageSuffix, string FileName, Func<string, bool>? Wanted = null)
{
    /// <summary>Fetches, verifies and unpacks it.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="progress">Told what goes on.</param>
    /// <param name="cancellation">Ends the work.</param>
    internal async Task FetchAsync(string folder, IProgress<ImageProgress> progress, CancellationToken cancellation)
    {
        if (!AptArchive.IsPresent)
        {
            throw new MachineException("this host has no apt, which it would come from");
        }

        string privateState = Path.Combine(folder, "apt");
        AptArchive archive = new(privateState, cancellation);
        progress.Report(new ImageProgress($"looking for {PackagePrefix}{PackageSuffix}", 0.02));
        if (await FindAsync(archive).ConfigureAwait(false) is not { } package)
        {
            progress.Report(new ImageProgress("fetching package lists", 0.05));
            await archive.UpdateAsync().ConfigureAwait(false);
            package = await FindAsync(archive).ConfigureAwait(false)
                ?? throw new MachineException($"no package {PackagePrefix}{PackageSuffix} is in this host's package archive");
        }

        progress.Report(new ImageProgress($"downloading {package}", 0.4));
        string download = await archive.DownloadAsync(package).ConfigureAwait(false);
        progress.Report(new ImageProgress($"unpacking {package}", 0.9));
        if (Wanted is null)
        {
            File.Move(download, Path.Combine(folder, FileName));
        }
        else
        {
            await File.WriteAllBytesAsync(Path.Combine(folder, FileName), new DebianPackage(download).ReadFile(Wanted), cancellation).ConfigureAwait(false);
        }

        Directory.Delete(privateState, recursive: true);
    }

    private Task<string?> FindAsync(AptArchive archive) =>
        archive.FindAsync(PackagePrefix, PackageSuffix, name => name.Length >= PackagePrefix.Length + PackageSuffix.Length);
}
