using Vmm.Benchmarks.Peers;
using Vmm.Machine.Images;

namespace Vmm.Benchmarks.Boot;

/// <summary>
/// The ready-made Linux, to its shell and off again without anybody who types: the same initial RAM disk, with a first
/// process behind it that does what the image's own does, but gives the shell a command.
/// </summary>
internal static class BootGuest
{
    /// <summary>What the first process prints right before the shell.</summary>
    public const string Mark = "user space is up";

    private static ReadOnlySpan<byte> Init =>
        """
        #!/bin/busybox sh
        /bin/busybox mount -t proc proc /proc
        /bin/busybox mount -t sysfs sysfs /sys
        /bin/busybox mount -t devtmpfs devtmpfs /dev 2>/dev/null
        /bin/busybox --install -s /bin
        mkdir -p /dev/pts /tmp
        mount -t devpts devpts /dev/pts
        echo user space is' 'up
        exec sh -c 'poweroff -f'

        """u8;

    /// <summary>Writes what is booted.</summary>
    /// <param name="folder">Where to.</param>
    public static LinuxGuest Create(string folder)
    {
        MachineImage image = LinuxImage.Get();
        string initrd = Path.Combine(folder, "boot.cpio");
        using FileStream file = File.Create(initrd);
        using (FileStream original = File.OpenRead(image.Initrd))
        {
            original.CopyTo(file);
        }

        // The kernel unpacks archives that follow each other (buffer-format.rst), and the image's is padded to 4 bytes.
        CpioArchive more = new(file);
        more.AddFile("benchmark", Init, executable: true);
        more.Finish();
        return new LinuxGuest(image.Kernel, initrd, "console=ttyS0 panic=-1 rdinit=/benchmark");
    }
}
