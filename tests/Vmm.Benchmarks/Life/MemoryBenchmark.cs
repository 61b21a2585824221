using System.Diagnostics;
using Vmm.Benchmarks.Boot;
using Vmm.Benchmarks.Measure;
using Vmm.Benchmarks.Peers;

namespace Vmm.Benchmarks.Life;

/// <summary>Resident memory above the guest's RAM, sampled through a boot.</summary>
internal static class MemoryBenchmark
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    public static void Run(Settings settings)
    {
        using WorkFolder folder = new();
        LinuxGuest guest = BootGuest.Create(folder.Path);
        List<ResidentMemory> samples = Sample(settings.Vmm.Command(guest));
        if (samples is [])
        {
            throw new BenchmarkException("The machine ended before it could be looked at.");
        }

        Table table = new(44, 12);
        table.Row("resident above the guest's RAM, median", Mebibytes(samples.Select(sample => (double)sample.Own).Median()));
        table.Row("resident above the guest's RAM, most", Mebibytes(samples.Max(sample => sample.Own)));
        table.Row("the guest's RAM that it has touched, most", Mebibytes(samples.Max(sample => sample.Guest)));
    }

    private static List<ResidentMemory> Sample(IReadOnlyList<string> command)
    {
        List<ResidentMemory> samples = [];
        using Process process = TimedProcess.Start(command, out _, out _);
        process.StandardInput.Close();
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        while (!process.WaitForExit(Interval))
        {
            if (ResidentMemory.Of(process.Id) is { Guest: > 0 } sample)
            {
                samples.Add(sample);
            }
        }

        return samples;
    }

    private static string Mebibytes(double bytes) => $"{bytes / (1 << 20):F0} MiB";
}
