using Vmm.Benchmarks.Measure;
using Vmm.EndToEnd.Tests.Guests;
using Vmm.EndToEnd.Tests.Harness;

namespace Vmm.Benchmarks.Life;

/// <summary>Time from the start of the process to the first instruction of the guest, which sends a byte.</summary>
internal static class StartBenchmark
{
    private const int DefaultRounds = 20;

    public static void Run(Settings settings)
    {
        if (settings.Vmm.Missing is { } missing)
        {
            throw new BenchmarkException(missing);
        }

        using WorkFolder folder = new();
        string kernel = folder.Write("start.bin", GuestImage.Create(a =>
        {
            a.WritePort(0x3F8, (byte)'!');
            a.PowerOff();
        }));
        IReadOnlyList<string> command = settings.Vmm.Run("--kernel", kernel, "--memory", "512M");
        List<TimedProcess> guests = [];
        List<TimedProcess> runtimes = [];
        for (int round = 0; round < (settings.Rounds ?? DefaultRounds); round++)
        {
            guests.Add(TimedProcess.Run(command, mark: "!"));
            runtimes.Add(TimedProcess.Run([settings.Vmm.Executable, "--version"]));
        }

        Table table = new(44, 14, 18);
        table.Row("", "wall", "processor");
        table.Row("to the first guest instruction", Milliseconds(guests.Select(run => run.UntilMark ?? throw Silent())), "");
        table.Row("whole process of that guest", Milliseconds(guests.Select(run => run.Wall)), Milliseconds(guests.Select(run => run.Processor)));
        table.Row("'vmm --version': the share of the runtime", Milliseconds(runtimes.Select(run => run.Wall)), Milliseconds(runtimes.Select(run => run.Processor)));
    }

    private static string Milliseconds(IEnumerable<TimeSpan> times) => $"{times.Select(time => time.TotalMilliseconds).Median():F0} ms";

    private static BenchmarkException Silent() => new("The guest did not run.");
}
