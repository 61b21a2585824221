using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.EndToEnd.Tests.BadInput;

/// <summary>Disks that cannot be attached.</summary>
public sealed class BadDiskTests : RefusalTest
{
    [Fact]
    public async Task A_missing_disk_is_refused() =>
        await AssertMachineRefusedAsync(["--disk", "path=/nonexistent/disk.raw"], "/nonexistent/disk.raw", "does not exist");

    [Fact]
    public async Task A_folder_is_no_disk() => await AssertMachineRefusedAsync(["--disk", $"path={Path.GetTempPath()}"], "is a directory");

    [Fact]
    public async Task An_empty_disk_is_refused() =>
        await AssertMachineRefusedAsync(["--disk", $"path={Folder.Disk("empty.raw", 0)}"], "empty.raw", "is empty");

    [Fact]
    public async Task A_disk_with_half_a_sector_is_refused() =>
        await AssertMachineRefusedAsync(["--disk", $"path={Folder.Disk("odd.raw", 4096 + 256)}"], "odd.raw", "sectors");

    [Fact]
    public async Task A_disk_that_may_only_be_read_is_refused_with_the_way_out()
    {
        string disk = Folder.Disk("protected.raw", 1 << 20);
        File.SetAttributes(disk, FileAttributes.ReadOnly);
        AssertRefused(await VmmProcess.RunUnderAsync(Privilege.BoundByPermissions, Arguments(Idle, "--disk", $"path={disk}")), disk, "permission", "readonly=on");
    }

    [MountFact]
    public async Task A_disk_on_a_read_only_file_system_is_refused_with_the_way_out()
    {
        string disk = Folder.Disk("mounted.raw", 1 << 20);
        AssertRefused(await VmmProcess.RunUnderAsync(Privilege.WithReadOnly(disk), Arguments(Idle, "--disk", $"path={disk}")), disk, "read-only", "readonly=on");
    }

    [Fact]
    public async Task An_unknown_format_is_refused_with_the_nearest() =>
        await AssertMachineRefusedAsync(["--disk", $"path={Folder.Disk("disk.raw", 4096)},format=rwa"], "'rwa'", "did you mean 'raw'?");

    [Fact]
    public async Task A_disk_of_another_machine_is_refused_until_that_one_has_ended()
    {
        string disk = $"path={Folder.Disk("disk.raw", 1 << 20)}";
        await using (VmmProcess owner = VmmProcess.Start(Arguments(Idle, "--disk", disk)))
        {
            await owner.ExpectAsync("up\n", Deadlines.Command);
            await AssertMachineRefusedAsync(["--disk", disk], "disk.raw", "in use by another");
            await AssertMachineRefusedAsync(["--disk", $"{disk},readonly=on"], "disk.raw", "in use by another");
        }

        await using VmmProcess next = VmmProcess.Start(Arguments(Idle, "--disk", disk));
        await next.ExpectAsync("up\n", Deadlines.Command);
    }

    [Fact]
    public async Task Two_machines_may_read_one_disk()
    {
        string disk = $"path={Folder.Disk("disk.raw", 1 << 20)},readonly=on";
        await using VmmProcess first = VmmProcess.Start(Arguments(Idle, "--disk", disk));
        await using VmmProcess second = VmmProcess.Start(Arguments(Idle, "--disk", disk));
        await first.ExpectAsync("up\n", Deadlines.Command);
        await second.ExpectAsync("up\n", Deadlines.Command);
    }
}
