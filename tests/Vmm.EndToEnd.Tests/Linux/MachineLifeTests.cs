using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.EndToEnd.Tests.Linux;

/// <summary>Whole lives of Linux machines, alone and side by side.</summary>
public sealed class MachineLifeTests
{
    [LinuxFact]
    public async Task Two_machines_in_two_processes_do_not_disturb_each_other_and_power_off_with_status_0()
    {
        using TemporaryFolder folder = new();
        await using VmmProcess first = Start(folder.Disk("first.raw", 1 << 20), 1);
        await using VmmProcess second = Start(folder.Disk("second.raw", 1 << 20), 2);
        await Task.WhenAll(LifeOfMachine.LiveAsync(first, "first", 1), LifeOfMachine.LiveAsync(second, "second", 2));
        foreach (VmmProcess machine in (VmmProcess[])[first, second])
        {
            VmmResult result = await machine.WaitForEndAsync(Deadlines.Command);
            Assert.True(result.Status == 0, $"status {result.Status}\n{result.Errors}");
            Assert.Empty(result.Errors);
        }

        await LifeOfMachine.AssertLeftOnDiskAsync(folder.At("first.raw"), "first");
        await LifeOfMachine.AssertLeftOnDiskAsync(folder.At("second.raw"), "second");
    }

    [LinuxFact]
    public async Task Two_machines_in_one_process_do_not_disturb_each_other()
    {
        using TemporaryFolder folder = new();
        await using InProcessMachine first = new(folder.Disk("first.raw", 1 << 20));
        await using InProcessMachine second = new(folder.Disk("second.raw", 1 << 20));
        await Task.WhenAll(LifeOfMachine.LiveAsync(first, "first", 1), LifeOfMachine.LiveAsync(second, "second", 1));
        await first.WaitForPowerOffAsync();
        await second.WaitForPowerOffAsync();
        await LifeOfMachine.AssertLeftOnDiskAsync(folder.At("first.raw"), "first");
        await LifeOfMachine.AssertLeftOnDiskAsync(folder.At("second.raw"), "second");
    }

    private static VmmProcess Start(string disk, int processors) =>
        VmmProcess.Start("run", "linux", "--no-reboot", "--cpus", $"{processors}", "--disk", $"path={disk}");
}
