using System.Globalization;
using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.EndToEnd.Tests.Linux;

/// <summary>Debian's stock kernel does what a user does first.</summary>
public sealed class LinuxTests(LinuxMachine machine) : IClassFixture<LinuxMachine>
{
    private const int ForkRounds = 100;
    private const int MostAttempts = 20;

    private static readonly TimeSpan MostForASecond = TimeSpan.FromSeconds(1.3);

    /// <summary>/proc/uptime counts hundredths of a second.</summary>
    private static readonly TimeSpan UptimeResolution = TimeSpan.FromMilliseconds(10);

    [LinuxFact]
    public async Task The_processor_is_what_CPUID_announces()
    {
        string text = await RunAsync("cat /proc/cpuinfo");
        Assert.Contains("processor\t: 0", text, StringComparison.Ordinal);
        string flags = text.Split('\n').Single(line => line.StartsWith("flags", StringComparison.Ordinal));
        string[] words = flags.Split(' ', '\t');
        Assert.All((string[])["fpu", "sse4_2", "popcnt", "bmi2", "movbe", "adx", "rdrand", "xsave", "aes", "smep", "smap", "lm", "nx", "avx", "avx2", "fma", "f16c", "sha_ni", "xsaveopt"], flag => Assert.Contains(flag, words));
        Assert.DoesNotContain("avx512f", words);
    }

    [LinuxFact]
    public async Task A_file_is_read_back_as_it_was_written()
    {
        await RunAsync("seq 1 20000 > /tmp/numbers");
        Assert.Equal("20000\n", await RunAsync("wc -l < /tmp/numbers"));
        Assert.Equal("108894\n", await RunAsync("wc -c < /tmp/numbers"));
        Assert.Equal("200010000\n", await RunAsync("awk '{ s += $1 } END { print s }' /tmp/numbers"));
    }

    [LinuxFact]
    public async Task The_clocks_of_guest_and_host_agree()
    {
        // What the guest's clock says lies between the times at which the host asked and was answered, however busy it is.
        long asked = TimeProvider.System.GetTimestamp();
        TimeSpan first = await UptimeAsync();
        long answered = TimeProvider.System.GetTimestamp();
        await RunAsync("sleep 1");
        TimeSpan least = TimeProvider.System.GetElapsedTime(answered) - UptimeResolution;
        TimeSpan passed = await UptimeAsync() - first;
        TimeSpan most = TimeProvider.System.GetElapsedTime(asked) + UptimeResolution;
        Assert.InRange(passed, least, most);
        Assert.True(passed >= TimeSpan.FromSeconds(1), $"'sleep 1' ended after {passed.TotalSeconds:F2} s of the guest");
    }

    [LinuxFact]
    public async Task A_sleep_of_a_second_takes_a_second_of_the_host()
    {
        // A busy host may delay what is measured, but not each time.
        TimeSpan least = TimeSpan.MaxValue;
        for (int attempt = 0; attempt < MostAttempts && least > MostForASecond; attempt++)
        {
            await machine.Process.TypeAsync("echo be'gin'; sleep 1; echo e'nd'\n");
            await machine.Process.ExpectAsync("begin\r\n", Deadlines.Line);
            long start = TimeProvider.System.GetTimestamp();
            await machine.Process.ExpectAsync("end\r\n", Deadlines.Line);
            TimeSpan taken = TimeProvider.System.GetElapsedTime(start);
            least = taken < least ? taken : least;
        }

        Assert.True(least < MostForASecond, $"'sleep 1' took {least.TotalSeconds:F3} s at best");
    }

    [LinuxFact]
    public async Task Processes_come_and_go_by_the_hundred()
    {
        string text = await RunAsync($"i=0; while [ $i -lt {ForkRounds} ]; do echo $i | cat | cat > /dev/null || echo failed; i=$((i+1)); done; echo $i");
        Assert.Equal($"{ForkRounds}\n", text);
    }

    [LinuxFact]
    public async Task What_is_written_to_the_disk_stands_on_the_host_s_disk_after_a_sync()
    {
        Assert.Equal("8192\n", await RunAsync("cat /sys/block/nvme0n1/size"));
        await RunAsync("echo written by the guest | dd of=/dev/nvme0n1 bs=512 seek=5 conv=sync,fsync 2>/dev/null");
        byte[] disk = await HostDisk.ReadAsync(machine.Disk);
        Assert.Equal("written by the guest\n"u8.ToArray(), disk.AsSpan(5 * 512, 21).ToArray());
        Assert.All(disk.AsSpan(0, 5 * 512).ToArray(), value => Assert.Equal(0, value));

        // Dropped from the guest's cache first, so that it comes from the disk.
        await RunAsync("echo 3 > /proc/sys/vm/drop_caches");
        Assert.Equal("written by the guest\n", await RunAsync("dd if=/dev/nvme0n1 bs=512 skip=5 count=1 2>/dev/null | head -n 1"));
    }

    [LinuxFact]
    public async Task The_kernel_has_nothing_to_complain_about()
    {
        string complaints = await RunAsync("dmesg | grep -E 'BUG|WARNING|Oops|Call Trace|unchecked MSR|lockup|rcu.*stall|nobody cared|clocksource.*unstable'; true");
        Assert.Empty(complaints);
    }

    [LinuxFact]
    public async Task Time_goes_on_while_interrupts_come()
    {
        Assert.Equal("ok\n", await RunAsync("a=$(grep -E 'LOC|timer' /proc/interrupts); sleep 1; b=$(grep -E 'LOC|timer' /proc/interrupts); [ \"$a\" != \"$b\" ] && echo ok"));
    }

    private async Task<TimeSpan> UptimeAsync() =>
        TimeSpan.FromSeconds(double.Parse((await RunAsync("cat /proc/uptime")).Split(' ')[0], CultureInfo.InvariantCulture));

    private async Task<string> RunAsync(string command)
    {
        (string output, int status) = await machine.Shell.RunAsync(command);
        Assert.True(status == 0, $"{command}\nended with status {status}:\n{output}");
        return output;
    }
}
