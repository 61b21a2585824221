using System.Diagnostics;

namespace Vmm.EndToEnd.Tests.Harness;

/// <summary>
/// Disks from which stock GRUB boots Linux. There is no file system: kernel and RAM disk stand at fixed sectors, which
/// GRUB reads by its block lists.
/// </summary>
internal static class GrubDisk
{
    private const int Sector = 512;
    private const int KernelSector = 2048;

    /// <summary>Bytes of the boot sector before the partition table.</summary>
    private const int BootCode = 440;

    /// <summary>Why there can be none on this host, or null.</summary>
    public static string? Problem =>
        LinuxImage.Problem ?? CachedFile.GrubModules.Problem ?? CachedFile.GrubTools.Problem ?? CachedFile.DeviceMapper.Problem;

    /// <summary>Makes a disk with the ready-made Linux.</summary>
    /// <param name="folder">Where to work.</param>
    /// <param name="commandLine">What the kernel is told.</param>
    /// <returns>Path of the disk.</returns>
    public static async Task<string> CreateAsync(TemporaryFolder folder, string commandLine)
    {
        string packages = folder.At("packages");
        foreach (CachedFile package in (CachedFile[])[CachedFile.GrubModules, CachedFile.GrubTools, CachedFile.DeviceMapper])
        {
            await RunAsync(new ProcessStartInfo("dpkg-deb", ["-x", package.Path, packages]));
        }

        byte[] kernel = await File.ReadAllBytesAsync(LinuxImage.Image.Kernel);
        byte[] initrd = await File.ReadAllBytesAsync(LinuxImage.Image.Initrd);
        int initrdSector = KernelSector + Sectors(kernel);
        string script = folder.Write("grub.cfg", System.Text.Encoding.ASCII.GetBytes(
            $"serial --unit=0 --speed=115200\nterminal_output serial\necho GRUB is up.\n"
            + $"linux (hd0){KernelSector}+{Sectors(kernel)} {commandLine}\ninitrd (hd0){initrdSector}+{Sectors(initrd)}\nboot\n"));
        string modules = Path.Combine(packages, "usr", "lib", "grub", "i386-pc");
        ProcessStartInfo tool = new(Path.Combine(packages, "usr", "bin", "grub-mkimage"),
            ["-d", modules, "-O", "i386-pc", "-p", "(hd0)/", "-c", script, "-o", folder.At("core.img"), "biosdisk", "linux", "boot", "serial", "terminal", "echo"]);
        tool.Environment["LD_LIBRARY_PATH"] = string.Join(':', ((string[])["lib", "usr/lib"]).Select(at => Path.Combine(packages, at, "x86_64-linux-gnu")));
        await RunAsync(tool);

        byte[] disk = new byte[(initrdSector + Sectors(initrd) + 1) * Sector];
        (await File.ReadAllBytesAsync(Path.Combine(modules, "boot.img"))).AsSpan(0, BootCode).CopyTo(disk);
        disk[Sector - 2] = 0x55;
        disk[Sector - 1] = 0xAA;
        (await File.ReadAllBytesAsync(folder.At("core.img"))).CopyTo(disk, Sector);
        kernel.CopyTo(disk, KernelSector * Sector);
        initrd.CopyTo(disk, initrdSector * Sector);
        return folder.Write("grub.raw", disk);
    }

    private static int Sectors(byte[] content) => (content.Length + Sector - 1) / Sector;

    private static async Task RunAsync(ProcessStartInfo start)
    {
        start.RedirectStandardError = true;
        using Process process = Process.Start(start)!;
        string errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, $"{start.FileName} ended with status {process.ExitCode}: {errors}");
    }
}
