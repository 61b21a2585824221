using System.Text.RegularExpressions;
using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.EndToEnd.Tests.Snapshots;

/// <summary>Debian is saved in one process and goes on in another.</summary>
public sealed partial class SavedLinuxTests : IDisposable
{
    private const int BootMoments = 5;
    private const int MostBootCharacters = 16000;
    private const int Moves = 3, RoundsInBetween = 10;

    private readonly TemporaryFolder _folder = new();
    private readonly string _name = $"test-{Guid.NewGuid():N}"[..20];

    public void Dispose() => _folder.Dispose();

    [LinuxFact]
    public async Task A_loop_goes_on_after_the_restore_and_so_does_the_clock()
    {
        await using VmmProcess first = StartLinux();
        Shell shell = await Shell.WaitAsync(first);
        Assert.Equal(("", 0), await shell.RunAsync("echo before > /tmp/mark; dd if=/dev/zero of=/dev/nvme0n1 bs=4k count=1 2>/dev/null"));
        await first.TypeAsync("i=0; while true; do i=$((i+1)); [ $((i%200)) = 0 ] && echo count $i; done\n");
        await first.ExpectAsync("count 400\r\n", Deadlines.Line);
        await SaveAsync(first);

        await using VmmProcess second = Start("--restore", _folder.At("saved"));
        await second.ExpectAsync("count ", Deadlines.Line);
        await second.ReachAsync(200, Deadlines.Line);
        await second.TypeAsync("\u0003");
        await second.ExpectAsync(Shell.Prompt, Deadlines.Line);
        int[] counts = [.. Count.Matches(first.Output + second.Output).Select(match => int.Parse(match.Groups[1].ValueSpan, null))];
        Assert.Equal(Enumerable.Range(1, counts.Length).Select(n => 200 * n), counts);

        shell = new Shell(second);
        Assert.Equal(("before\n", 0), await shell.RunAsync("cat /tmp/mark"));
        long start = TimeProvider.System.GetTimestamp();
        (string seconds, _) = await shell.RunAsync("a=$(date +%s); sleep 1; b=$(date +%s); echo $((b-a))");
        Assert.InRange(TimeProvider.System.GetElapsedTime(start).TotalSeconds, 0.9, 60);
        Assert.InRange(int.Parse(seconds, null), 1, 60);
        Assert.Equal(("512\n", 0), await shell.RunAsync("dd if=/dev/nvme0n1 bs=512 count=1 2>/dev/null | wc -c"));
        Assert.Equal(("", 0), await shell.RunAsync("dmesg | grep -E 'BUG|WARNING|Oops|Call Trace|lockup|nobody cared|clocksource.*unstable'; true"));
        await shell.PowerOffAsync();
        Assert.Equal(0, (await second.WaitForEndAsync(Deadlines.Command)).Status);
    }

    [LinuxFact]
    public async Task Virtio_devices_that_work_while_they_are_saved_go_on_working()
    {
        VmmProcess machine = Start(
            "linux", "--memory", "256M", "--disk", $"path={_folder.Disk("disk.raw", 1 << 20)},device=virtio-block", "--net", "hub", "--device", "virtio-rng");
        try
        {
            Shell shell = await Shell.WaitAsync(machine);
            Assert.Equal(("", 0), await shell.RunAsync("ip link set eth0 up"));
            await machine.TypeAsync(
                "i=0; while true; do i=$((i+1)); head -c 65536 /dev/hwrng > /tmp/new; dd if=/tmp/new of=/dev/vda bs=4k seek=$((i%8*16)) oflag=direct 2>/dev/null; "
                + "dd if=/dev/vda of=/tmp/back bs=4k skip=$((i%8*16)) count=16 iflag=direct 2>/dev/null; cmp /tmp/new /tmp/back || echo bad; echo round $i; done\n");
            int round = RoundsInBetween;
            for (int move = 0; move < Moves; move++, round += RoundsInBetween)
            {
                await machine.ExpectAsync($"round {round}\r\n", Deadlines.Command);
                await SaveAsync(machine);
                Assert.DoesNotContain("bad\r\n", machine.Output, StringComparison.Ordinal);
                round = Math.Max(round, Round.Matches(machine.Output).Max(match => int.Parse(match.Groups[1].ValueSpan, null)));
                await machine.DisposeAsync();
                machine = Start("--restore", _folder.At("saved"));
            }

            await machine.ExpectAsync($"round {round}\r\n", Deadlines.Command);
            await machine.TypeAsync("\u0003");
            await machine.ExpectAsync(Shell.Prompt, Deadlines.Line);
            Assert.DoesNotContain("bad\r\n", machine.Output, StringComparison.Ordinal);
            Assert.Equal(("", 0), await new Shell(machine).RunAsync("dmesg | grep -E 'BUG|WARNING|Oops|Call Trace|lockup|nobody cared|I/O error|blocked for|virtio.*(fail|error)'; true"));
            await new Shell(machine).PowerOffAsync();
            Assert.Equal(0, (await machine.WaitForEndAsync(Deadlines.Command)).Status);
        }
        finally
        {
            await machine.DisposeAsync();
        }
    }

    [LinuxFact]
    public async Task A_boot_that_is_saved_at_any_moment_ends_at_the_shell()
    {
        int seed = Random.Shared.Next();
        Random random = new(seed);
        for (int round = 0; round < BootMoments; round++)
        {
            int moment = random.Next(1, MostBootCharacters);
            try
            {
                await using VmmProcess first = StartLinux("--cpus", $"{1 + (round % 2)}");
                await first.ReachAsync(moment, Deadlines.Boot);
                await SaveAsync(first);
                await using VmmProcess second = Start("--restore", _folder.At("saved"));
                await second.TypeAsync("\n");
                await second.ExpectAsync(Shell.Prompt, Deadlines.Boot);
                await second.TypeAsync("echo it' 'lives\n");
                await second.ExpectAsync("it lives\r\n", Deadlines.Line);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"Seed {seed}, round {round}, saved after {moment} characters: {e.Message}", e);
            }
        }
    }

    private VmmProcess StartLinux(params string[] more) => Start(["linux", "--memory", "256M", "--disk", $"path={_folder.Disk("disk.raw", 1 << 20)}", .. more]);

    private VmmProcess Start(params string[] what) => VmmProcess.Start(["run", .. what, "--name", _name, "--no-reboot"]);

    private async Task SaveAsync(VmmProcess process)
    {
        VmmResult saved = await VmmProcess.RunAsync("save", _name, _folder.At("saved"), "--stop");
        Assert.True(saved.Status == 0, saved.Errors + process.Errors);
        VmmResult end = await process.WaitForEndAsync(Deadlines.Command);
        Assert.True(end.Status == 0, end.Errors);
    }

    [GeneratedRegex(@"\bcount (\d+)\r\n")]
    private static partial Regex Count { get; }

    [GeneratedRegex(@"\bround (\d+)\r\n")]
    private static partial Regex Round { get; }
}
