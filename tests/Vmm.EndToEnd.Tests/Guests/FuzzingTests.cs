using System.Globalization;
using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.EndToEnd.Tests.Guests;

/// <summary>Nothing that a guest does to ports and device memory harms the host.</summary>
public sealed class FuzzingTests : GuestTest
{
    private const int MemoryMebibytes = 16;

    /// <summary>The runtime, the code it compiles, and all that a machine needs; what must not grow with what guests do.</summary>
    private const int MostMebibytes = MemoryMebibytes + 256;

    private static readonly TimeSpan Round = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task Random_accesses_to_ports_and_device_memory_leave_the_host_unharmed()
    {
        int rounds = Build.IsNightly ? 12 : 1;
        for (int round = 0; round < rounds; round++)
        {
            await FuzzAsync((uint)Random.Shared.Next(1, int.MaxValue));
        }
    }

    private async Task FuzzAsync(uint seed)
    {
        string disk = Folder.Disk($"disk{seed}.raw", 1 << 20);
        await using VmmProcess machine = VmmProcess.Start(Arguments(
            a => FuzzingGuest.Write(a, seed), "--disk", $"path={disk}", "--device", "isa-debug-exit,port=0xf4,size=1", "--stat"));
        int status;
        try
        {
            status = (await machine.WaitForEndAsync(Round)).Status;
        }
        catch (TimeoutException)
        {
            // The usual case: it still runs, or waits for an interrupt that it has turned off.
            int peak = PeakMebibytes(machine.Id);
            Assert.True(peak < MostMebibytes, $"seed {seed}: {peak} MiB of memory");
            machine.Terminate();
            status = (await machine.WaitForEndAsync(Deadlines.Command)).Status;
            Assert.True(status == 128 + 15, $"seed {seed}: status {status}\n{machine.Errors}");
        }

        // It may have found the power switch, or the device that ends a machine with an odd status.
        Assert.True(status is 0 or 128 + 15 || status % 2 == 1, $"seed {seed}: status {status}\n{machine.Errors}");
        Assert.Contains("IoInstruction", machine.Errors, StringComparison.Ordinal);
        Assert.All(
            (string[])["fault of vmm", "Unhandled", "failed in", "   at "],
            sign => Assert.False(machine.Errors.Contains(sign, StringComparison.Ordinal), $"seed {seed}:\n{machine.Errors}"));
    }

    /// <summary>Most memory that a process ever had resident, as the kernel says.</summary>
    private static int PeakMebibytes(int process)
    {
        string line = File.ReadLines($"/proc/{process}/status").First(text => text.StartsWith("VmHWM:", StringComparison.Ordinal));
        return int.Parse(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
    }
}
