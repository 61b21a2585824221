using Vmm.Benchmarks.Measure;
using Vmm.Benchmarks.Peers;

namespace Vmm.Benchmarks.GuestPrograms;

/// <summary>The same static programs on the host itself, under vmm and under QEMU TCG.</summary>
internal static class ProgramsBenchmark
{
    private const int DefaultRounds = 1;
    private const string Native = "native";

    public static void Run(Settings settings)
    {
        IReadOnlyList<string> names = Chosen(settings.Names);
        using WorkFolder folder = new();
        (string init, IReadOnlyDictionary<string, string> programs) = ProgramSources.Compile(names, folder.Path);
        LinuxGuest guest = ProgramGuest.Create(folder.Path, init, programs);
        QemuPeer qemu = new();
        Dictionary<string, ProgramResults> results = new() { [Native] = new(), [settings.Vmm.Name] = new(), [qemu.Name] = new() };
        for (int round = 0; round < (settings.Rounds ?? DefaultRounds); round++)
        {
            Console.WriteLine($"running natively, round {round + 1}");
            foreach (string program in programs.Values)
            {
                results[Native].Add(TimedProcess.Run([program]).Output);
            }

            foreach (IPeer peer in (IPeer[])[settings.Vmm, qemu])
            {
                if (peer.Missing is null)
                {
                    Console.WriteLine($"running under {peer.Name}");
                    results[peer.Name].Add(TimedProcess.Run(peer.Command(guest)).Output);
                }
                else if (round == 0)
                {
                    Console.WriteLine($"without {peer.Name}: {peer.Missing}");
                }
            }
        }

        Print(names, results[Native], results[settings.Vmm.Name], results[qemu.Name]);
    }

    private static IReadOnlyList<string> Chosen(IReadOnlyList<string> names)
    {
        string[] unknown = [.. names.Except(ProgramSources.Names)];
        return unknown is []
            ? names is [] ? ProgramSources.Names : names
            : throw new BenchmarkException($"There is no program {string.Join(", ", unknown)}; there are {string.Join(", ", ProgramSources.Names)}.");
    }

    private static void Print(IReadOnlyList<string> names, ProgramResults native, ProgramResults ours, ProgramResults qemu)
    {
        Console.WriteLine("\nTimes are relative: 'vmm / native' 2.0 means twice the host's time; 'QEMU / vmm' above 1 means faster than QEMU.\n");
        Table table = new(16, 10, 14, 16, 14, 18);
        table.Row("", "native", "vmm / native", "QEMU / native", "QEMU / vmm");
        foreach ((string group, string[] members) in ProgramSources.Groups)
        {
            List<double> gains = [];
            foreach (string name in members.Where(names.Contains))
            {
                double? host = native.Seconds(name), our = ours.Seconds(name), other = qemu.Seconds(name);
                table.Row(name, $"{host * 1000:F0} ms", Ratio(our / host), Ratio(other / host), Ratio(other / our), Remark(name, native, ours, qemu));
                if (other / our is { } gain)
                {
                    gains.Add(gain);
                }
            }

            if (gains.Count > 1)
            {
                table.Row($"  {group}", "", "", "", Ratio(gains.GeometricMean()));
            }
        }
    }

    private static string Ratio(double? ratio) => ratio is { } value ? $"{value:F2}" : "-";

    // All compute the same, or one of them is wrong.
    private static string Remark(string name, ProgramResults native, ProgramResults ours, ProgramResults qemu)
    {
        string? expected = native.Sum(name);
        bool equal = (ours.Sum(name) ?? expected) == expected && (qemu.Sum(name) ?? expected) == expected;
        return equal ? "" : "  results differ";
    }
}
