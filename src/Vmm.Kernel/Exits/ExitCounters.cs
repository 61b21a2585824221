using System.Diagnostics;

namespace Vmm.Kernel;

/// <summary>
/// Number and time of one processor's exits by reason. Every exit is counted; one in 16 of a reason is timed, because
/// two readings of the host's clock cost more than most exits, and stands for the others. The first of a reason is not:
/// it compiles what the later ones run.
/// </summary>
internal sealed class ExitCounters
{
    public const int Reasons = 80;
    private const int SamplePeriod = 16;

    private readonly Counter[] _counters = new Counter[Reasons];

    /// <summary>Counts an exit.</summary>
    /// <returns>The time stamp for <see cref="Leave"/>, or 0 when this one is not timed.</returns>
    public long Enter(int reason)
    {
        ref Counter counter = ref _counters[reason < Reasons ? reason : Reasons - 1];
        return (++counter.Count & (SamplePeriod - 1)) == 0 ? Stopwatch.GetTimestamp() : 0;
    }

    /// <summary>Adds the time of a timed exit.</summary>
    public void Leave(int reason, long start)
    {
        ref Counter counter = ref _counters[reason < Reasons ? reason : Reasons - 1];
        counter.Ticks += Stopwatch.GetTimestamp() - start;
        counter.Timed++;
    }

    /// <summary>What happened so far.</summary>
    public IEnumerable<ExitStatistic> Read()
    {
        for (int reason = 0; reason < Reasons; reason++)
        {
            Counter counter = _counters[reason];
            if (counter.Count > 0)
            {
                double ticks = counter.Timed == 0 ? 0 : (double)counter.Ticks / counter.Timed * counter.Count;
                yield return new ExitStatistic((ExitReason)reason, counter.Count, TimeSpan.FromSeconds(ticks / Stopwatch.Frequency));
            }
        }
    }

    private struct Counter
    {
        public long Count;
        public long Timed;
        public long Ticks;
    }
}
