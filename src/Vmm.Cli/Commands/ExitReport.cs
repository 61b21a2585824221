using System.Text;
using Vmm.Kernel;

namespace Vmm.Cli.Commands;

/// <summary>The table of <c>--stat</c>.</summary>
internal static class ExitReport
{
    public static string Format(VirtualMachineStatistics statistics)
    {
        StringBuilder text = new();
        text.Append($"{"VM exit",-36}{"count",14}{"total ms",12}{"ns each",10}\n");
        foreach (ExitStatistic exit in statistics.Exits)
        {
            double each = exit.Count == 0 ? 0 : exit.Time.TotalNanoseconds / exit.Count;
            text.Append($"{exit.Reason,-36}{exit.Count,14:N0}{exit.Time.TotalMilliseconds,12:N1}{each,10:N0}\n");
        }

        foreach ((string name, long value) in statistics.Engine.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            text.Append($"{name,-36}{value,14:N0}\n");
        }

        text.Append($"{"unanswered port accesses",-36}{statistics.UnansweredPortAccesses,14:N0}\n");
        text.Append($"{"unanswered memory accesses",-36}{statistics.UnansweredMemoryAccesses,14:N0}\n");
        text.Append($"{"virtual time, ms",-36}{statistics.VirtualTime.TotalMilliseconds,14:N0}\n");
        return text.ToString();
    }
}
