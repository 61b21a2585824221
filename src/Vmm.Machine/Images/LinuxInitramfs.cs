namespace Vmm.Machine.Images;

/// <summary>The smallest user space that is of use: busybox, the kernel's file systems, a shell on the console.</summary>
public static class LinuxInitramfs
{
    private static ReadOnlySpan<byte> Init =>
        """
        #!/bin/busybox sh
        # First process: mounts the kernel's file systems and becomes a shell with job control on the console.
        /bin/busybox mount -t proc proc /proc
        /bin/busybox mount -t sysfs sysfs /sys
        /bin/busybox mount -t devtmpfs devtmpfs /dev 2>/dev/null
        /bin/busybox --install -s /bin
        mkdir -p /dev/pts /tmp
        mount -t devpts devpts /dev/pts
        if cat /sys/bus/pci/devices/*/vendor 2>/dev/null | grep -q 0x1af4; then
            for module in /lib/modules/*.ko; do insmod $module; done
        fi
        export HOME=/root TERM=${TERM:-linux} PATH=/bin PS1='vmm:\w# '
        cd /root
        read up idle < /proc/uptime
        echo
        echo "Linux $(uname -r) is up after $up s. 'poweroff -f' ends the machine, Ctrl-A X leaves it."
        while true; do
            setsid cttyhack sh
        done

        """u8;

    /// <summary>Writes the archive.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="busybox">A static busybox for the guest's processor.</param>
    /// <param name="drivers">Modules for virtio devices, each after those that it needs; loaded when there is such a device.</param>
    public static void Write(Stream output, ReadOnlySpan<byte> busybox, IReadOnlyList<KernelModule> drivers)
    {
        CpioArchive archive = new(output);
        foreach (string path in (string[])["bin", "dev", "etc", "lib", "lib/modules", "proc", "root", "sys", "tmp"])
        {
            archive.AddDirectory(path);
        }

        // The kernel opens it for the first process, before devtmpfs is mounted.
        archive.AddCharacterDevice("dev/console", 5, 1);
        archive.AddFile("bin/busybox", busybox, executable: true);
        archive.AddLink("bin/sh", "busybox");
        archive.AddFile("etc/passwd", "root::0:0:root:/root:/bin/sh\n"u8);
        archive.AddFile("etc/group", "root:x:0:\n"u8);
        for (int i = 0; i < drivers.Count; i++)
        {
            // The shell sorts by name, so the names carry the order.
            archive.AddFile($"lib/modules/{i:D2}-{drivers[i].Name}.ko", drivers[i].Content.Span);
        }

        archive.AddFile("init", Init, executable: true);
        archive.Finish();
    }
}
