using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.EndToEnd.Tests.Firmware;

/// <summary>The way of an ordinary PC: firmware, boot loader, Linux, each as Debian ships it.</summary>
public sealed class GrubTests
{
    [GrubFact]
    public async Task Linux_comes_off_a_disk_by_SeaBIOS_and_GRUB_and_turns_the_machine_off()
    {
        using TemporaryFolder folder = new();
        string disk = await GrubDisk.CreateAsync(folder, "console=ttyS0 panic=-1");
        await using VmmProcess machine = VmmProcess.Start("run", "--no-reboot", "--firmware", CachedFile.SeaBios.Path, "--disk", $"path={disk}");
        await machine.ExpectAsync("GRUB is up.", Deadlines.Command);
        Shell shell = await Shell.WaitAsync(machine);

        // The firmware has assigned the addresses of PCI functions, and its tables lead to ours.
        Assert.Equal(("nvme0n1\n", 0), await shell.RunAsync("ls /sys/block | grep nvme"));
        Assert.Equal(("VMM\n", 0), await shell.RunAsync("dd if=/sys/firmware/acpi/tables/FACP bs=1 skip=10 count=3 2>/dev/null; echo"));
        await shell.PowerOffAsync();

        Assert.Equal(0, (await machine.WaitForEndAsync(Deadlines.Command)).Status);
    }
}
