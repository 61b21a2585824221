namespace Vmm.Machine.Images;

/// <summary>Ready-made systems by name, fetched once. Safe to be used by several processes at a time.</summary>
/// <param name="root">Folder of the cache.</param>
public sealed class ImageCache(string root)
{
    /// <summary>Name of the only image so far: Debian's stock cloud kernel with a busybox user space.</summary>
    public const string Linux = "linux";

    /// <summary>Changes when images are made differently: what an older version left in the cache is then left alone.</summary>
    private const int Recipe = 2;

    private const string KernelFile = "vmlinuz";
    private const string InitrdFile = "initramfs.cpio";
    private const string OriginFile = "origin.txt";
    private const string HowToGoOn = "Pass a kernel of your own instead: vmm run --kernel FILE --initrd FILE.";

    /// <summary>Names of all images.</summary>
    public static IReadOnlyList<string> Names { get; } = [Linux];

    /// <summary>The user's cache: <c>$XDG_CACHE_HOME/vmm</c>, else <c>~/.cache/vmm</c>.</summary>
    public static ImageCache OfUser()
    {
        string? cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        string folder = string.IsNullOrEmpty(cache)
            ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify), ".cache")
            : cache;
        return new ImageCache(Path.Combine(folder, "vmm"));
    }

    /// <summary>The image if it is in the cache, else null.</summary>
    public MachineImage? Find(string name)
    {
        string folder = FolderOf(name);
        string origin = Path.Combine(folder, OriginFile);
        return File.Exists(origin)
            ? new MachineImage(name, Path.Combine(folder, KernelFile), Path.Combine(folder, InitrdFile), File.ReadAllText(origin).Trim())
            : null;
    }

    /// <summary>The image, fetched if it is not in the cache.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="progress">Told what goes on, with the part that is done (0 to 1).</param>
    /// <param name="refresh">Whether to fetch it anew.</param>
    /// <param name="cancellation">Ends the work; the cache stays as it was.</param>
    /// <exception cref="MachineException">It cannot be had; the message says why and what to do.</exception>
    public async Task<MachineImage> GetAsync(string name, IProgress<ImageProgress> progress, bool refresh, CancellationToken cancellation)
    {
        if (!refresh && Find(name) is { } present)
        {
            return present;
        }

        try
        {
            Directory.CreateDirectory(root);
            await using FileStream mine = await LockAsync(progress, cancellation).ConfigureAwait(false);

            // Another process may have fetched it while this one waited.
            if (refresh || Find(name) is null)
            {
                await FetchAsync(name, work => new LinuxImageSource(work, progress, cancellation).FetchAsync(
                    Path.Combine(work, KernelFile), Path.Combine(work, InitrdFile), Path.Combine(work, OriginFile))).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or MachineException)
        {
            throw new MachineException($"The image '{name}' cannot be fetched: {e.Message.TrimEnd('.')}. {HowToGoOn}", e);
        }

        return Find(name) ?? throw new MachineException($"The image '{name}' is missing from {root}.");
    }

    /// <summary>One file out of a package of the host's archive, such as firmware; fetched if it is not in the cache.</summary>
    /// <param name="file">Which one.</param>
    /// <param name="progress">Told what goes on, with the part that is done (0 to 1).</param>
    /// <param name="cancellation">Ends the work; the cache stays as it was.</param>
    /// <returns>Its path in the cache.</returns>
    /// <exception cref="MachineException">It cannot be had; the message says why.</exception>
    public async Task<string> GetFileAsync(PackageFile file, IProgress<ImageProgress> progress, CancellationToken cancellation)
    {
        string path = Path.Combine(root, file.Name, file.FileName);
        try
        {
            Directory.CreateDirectory(root);
            await using FileStream mine = await LockAsync(progress, cancellation).ConfigureAwait(false);
            if (!File.Exists(path))
            {
                await FetchAsync(file.Name, work => file.FetchAsync(work, progress, cancellation)).ConfigureAwait(false);
            }

            return path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or MachineException)
        {
            throw new MachineException($"'{file.Name}' cannot be fetched: {e.Message}", e);
        }
    }

    /// <summary>An exclusive open of a file is the lock: the system gives it up even when its owner dies.</summary>
    private async Task<FileStream> LockAsync(IProgress<ImageProgress> progress, CancellationToken cancellation)
    {
        string path = Path.Combine(root, "lock");
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(path))
            {
                progress.Report(new ImageProgress("waiting for another vmm that fetches images", 0));
                await Task.Delay(TimeSpan.FromMilliseconds(200), cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Makes an entry of the cache in a folder of its own, and shows it only when it is whole.</summary>
    private async Task FetchAsync(string name, Func<string, Task> fetch)
    {
        string work = Path.Combine(root, $"{name}.new-{Environment.ProcessId}");
        string target = FolderOf(name);
        try
        {
            Directory.CreateDirectory(work);
            await fetch(work).ConfigureAwait(false);
            if (Directory.Exists(target))
            {
                Directory.Delete(target, recursive: true);
            }

            Directory.Move(work, target);
        }
        finally
        {
            if (Directory.Exists(work))
            {
                Directory.Delete(work, recursive: true);
            }
        }
    }

    private string FolderOf(string name) => Path.Combine(root, Names.Contains(name) ? $"{name}-{Recipe}" : name);
}

/// <summary>An image in the cache.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kernel">Path of the kernel.</param>
/// <param name="Initrd">Path of the initial RAM disk.</param>
/// <param name="Origin">What it was made from.</param>
public sealed record MachineImage(string Name, string Kernel, string Initrd, string Origin);

/// <summary>How far fetching an image is.</summary>
/// <param name="Step">What goes on.</param>
/// <param name="Part">The part that is done, 0 to 1.</param>
public readonly record struct ImageProgress(string Step, double Part);
