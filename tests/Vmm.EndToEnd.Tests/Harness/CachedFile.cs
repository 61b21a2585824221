using Vmm.Machine;
using Vmm.Machine.Images;

namespace Vmm.EndToEnd.Tests.Harness;

/// <summary>A file of a Debian package, or a package, fetched into the user's cache when it is not there.</summary>
internal sealed class CachedFile(PackageFile file)
{
    private readonly Lazy<(string? Path, string? Problem)> _fetched = new(() => Fetch(file));

    /// <summary>Stock SeaBIOS, 256 KiB, of the package <c>seabios</c>.</summary>
    public static CachedFile SeaBios { get; } = new(new PackageFile("seabios", "seabios", "", "bios-256k.bin", path => path == "usr/share/seabios/bios-256k.bin"));

    /// <summary>Stock SeaBIOS in 128 KiB.</summary>
    public static CachedFile SmallSeaBios { get; } = new(new PackageFile("seabios-128k", "seabios", "", "bios.bin", path => path == "usr/share/seabios/bios.bin"));

    /// <summary>The Xen hypervisor: a Multiboot 1 kernel, gzip-compressed.</summary>
    public static CachedFile Xen { get; } = new(new PackageFile("xen", "xen-hypervisor-4", "-amd64", "xen.gz",
        path => path.StartsWith("boot/xen-", StringComparison.Ordinal) && path.EndsWith("amd64.gz", StringComparison.Ordinal)));

    /// <summary>The package with GRUB's modules for a PC's BIOS.</summary>
    public static CachedFile GrubModules { get; } = new(new PackageFile("grub-pc-bin", "grub-pc-bin", "", "grub-pc-bin.deb"));

    /// <summary>The package with the tool that makes a boot image of them.</summary>
    public static CachedFile GrubTools { get; } = new(new PackageFile("grub-common", "grub-common", "", "grub-common.deb"));

    /// <summary>A library that the tool needs and that not every host has.</summary>
    public static CachedFile DeviceMapper { get; } = new(new PackageFile("libdevmapper", "libdevmapper1.02.1", "", "libdevmapper.deb"));

    /// <summary>Why there is none on this host, or null.</summary>
    public string? Problem => _fetched.Value.Problem;

    /// <summary>Its path.</summary>
    public string Path => _fetched.Value.Path ?? throw new InvalidOperationException(Problem);

    private static (string? Path, string? Problem) Fetch(PackageFile file)
    {
        try
        {
            using CancellationTokenSource deadline = new(TimeSpan.FromMinutes(5));
            return (Task.Run(() => ImageCache.OfUser().GetFileAsync(file, new Progress<ImageProgress>(), deadline.Token)).Result, null);
        }
        catch (AggregateException e) when (e.InnerException is MachineException or OperationCanceledException)
        {
            return (null, e.InnerException.Message);
        }
    }
}
