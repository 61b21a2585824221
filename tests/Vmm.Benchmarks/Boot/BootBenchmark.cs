using Vmm.Benchmarks.Measure;
using Vmm.Benchmarks.Peers;

namespace Vmm.Benchmarks.Boot;

/// <summary>One kernel and initial RAM disk, to user space and off again, alternately under every peer.</summary>
internal static class BootBenchmark
{
    private const int DefaultRounds = 3;

    public static void Run(Settings settings)
    {
        using WorkFolder folder = new();
        LinuxGuest guest = BootGuest.Create(folder.Path);
        IPeer[] peers = Present([settings.Vmm, new QemuPeer(), new BochsPeer(folder.Path)]);
        Dictionary<IPeer, List<TimedProcess>> runs = peers.ToDictionary(peer => peer, _ => new List<TimedProcess>());
        for (int round = 0; round < (settings.Rounds ?? DefaultRounds); round++)
        {
            foreach (IPeer peer in peers)
            {
                runs[peer].Add(Boot(peer, guest));
            }
        }

        Print(peers, runs);
    }

    private static IPeer[] Present(IPeer[] all)
    {
        foreach (IPeer peer in all.Where(peer => peer.Missing is not null))
        {
            Console.WriteLine($"without {peer.Name}: {peer.Missing}");
        }

        return [.. all.Where(peer => peer.Missing is null)];
    }

    private static TimedProcess Boot(IPeer peer, LinuxGuest guest)
    {
        TimedProcess run = TimedProcess.Run(peer.Command(guest), BootGuest.Mark, peer.Input);
        return run.UntilMark is not null ? run : throw new BenchmarkException($"{peer.Name} did not come to user space. Its output ends with:\n{run.Output[^Math.Min(run.Output.Length, 2000)..]}");
    }

    private static void Print(IPeer[] peers, Dictionary<IPeer, List<TimedProcess>> runs)
    {
        Console.WriteLine($"\nBoot to user space and off again, medians of {runs[peers[0]].Count}; process start included. Ratios: vmm's time to the peer's, median of the rounds.\n");
        Table table = new(12, 16, 12, 16, 14, 18);
        table.Row("", "to user space", "to the end", "processor time", "vmm / wall", "vmm / processor");
        List<TimedProcess> ours = runs[peers[0]];
        foreach (IPeer peer in peers)
        {
            List<TimedProcess> its = runs[peer];
            table.Row(
                peer.Name,
                $"{its.Select(run => run.UntilMark!.Value.TotalSeconds).Median():F2} s",
                $"{its.Select(run => run.Wall.TotalSeconds).Median():F2} s",
                $"{its.Select(run => run.Processor.TotalSeconds).Median():F2} s",
                $"{ours.Zip(its, (our, other) => our.UntilMark!.Value / other.UntilMark!.Value).Median():F2}",
                $"{ours.Zip(its, (our, other) => our.Processor / other.Processor).Median():F2}");
        }
    }
}
