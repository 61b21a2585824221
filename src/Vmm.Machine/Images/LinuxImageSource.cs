namespace Vmm.Machine.Images;

/// <summary>Makes the image <c>linux</c> out of two packages of Debian's archive.</summary>
internal sealed class LinuxImageSource(string work, IProgress<ImageProgress> progress, CancellationToken cancellation)
{
    private const string KernelPackage = "linux-image-cloud-amd64";
    private const string KernelPrefix = "linux-image-";
    private const string KernelSuffix = "-cloud-amd64";
    private const string BusyboxPackage = "busybox-static";

    /// <summary>Drivers that are no part of the kernel itself. Without them it sees virtio devices and does nothing with them.</summary>
    private static readonly string[] VirtioDrivers = ["virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "virtio_console"];

    /// <summary>Fetches, verifies and unpacks.</summary>
    /// <param name="kernel">Path for the kernel.</param>
    /// <param name="initrd">Path for the initial RAM disk.</param>
    /// <param name="origin">Path for a line that says what it was made from.</param>
    public async Task FetchAsync(string kernel, string initrd, string origin)
    {
        if (!AptArchive.IsPresent)
        {
            throw new MachineException("this host has no apt, which it would come from");
        }

        string privateState = Path.Combine(work, "apt");
        AptArchive archive = new(privateState, cancellation);
        progress.Report(new ImageProgress("looking for Debian's cloud kernel", 0.02));
        if (!await archive.KnowsAsync(BusyboxPackage).ConfigureAwait(false) || await FindKernelAsync(archive).ConfigureAwait(false) is null)
        {
            progress.Report(new ImageProgress("fetching package lists", 0.05));
            await archive.UpdateAsync().ConfigureAwait(false);
        }

        string package = await FindKernelAsync(archive).ConfigureAwait(false)
            ?? throw new MachineException($"no package {KernelPrefix}*{KernelSuffix} is in this host's package archive");
        progress.Report(new ImageProgress($"downloading {package}", 0.25));
        string kernelFile = await archive.DownloadAsync(package).ConfigureAwait(false);
        progress.Report(new ImageProgress($"downloading {BusyboxPackage}", 0.65));
        string busyboxFile = await archive.DownloadAsync(BusyboxPackage).ConfigureAwait(false);

        progress.Report(new ImageProgress("unpacking the kernel", 0.75));
        DebianPackage unpacked = new(kernelFile);
        await File.WriteAllBytesAsync(kernel, unpacked.ReadFile(name => name.StartsWith("boot/vmlinuz-", StringComparison.Ordinal)), cancellation).ConfigureAwait(false);
        IReadOnlyList<KernelModule> drivers = KernelModule.WithDependencies(VirtioDrivers, unpacked.ReadFiles(KernelModule.IsModule));
        progress.Report(new ImageProgress("making the initial RAM disk", 0.95));
        byte[] busybox = new DebianPackage(busyboxFile).ReadFile(name => name is "bin/busybox" or "usr/bin/busybox");
        await using (FileStream stream = File.Create(initrd))
        {
            LinuxInitramfs.Write(stream, busybox, drivers);
        }

        await File.WriteAllTextAsync(origin, $"{Path.GetFileName(kernelFile)} {Path.GetFileName(busyboxFile)}\n", cancellation).ConfigureAwait(false);
        Directory.Delete(privateState, recursive: true);
        progress.Report(new ImageProgress("ready", 1));
    }

    /// <summary>What the meta-package stands for, else the newest such kernel.</summary>
    private static async Task<string?> FindKernelAsync(AptArchive archive)
    {
        if (await archive.KnowsAsync(KernelPackage).ConfigureAwait(false))
        {
            IReadOnlyList<string> dependencies = await archive.DependenciesAsync(KernelPackage).ConfigureAwait(false);
            if (dependencies.FirstOrDefault(IsKernel) is { } exact)
            {
                return exact;
            }
        }

        return await archive.FindAsync(KernelPrefix, KernelSuffix, name => IsKernel(name)).ConfigureAwait(false);
    }

    private static bool IsKernel(string name) =>
        name.StartsWith(KernelPrefix, StringComparison.Ordinal) && name.EndsWith(KernelSuffix, StringComparison.Ordinal)
        && name.Length > KernelPrefix.Length && char.IsAsciiDigit(name[KernelPrefix.Length]);
}
