using Vmm.Plugins.RoundRobin;
using Vmm.Sdk;

namespace Vmm.Plugins.Tests.RoundRobin;

/// <summary>A CPU pool on simulated time: threads pick, run for a while and account, in the order in which they finish.</summary>
internal sealed class PoolSimulation(RoundRobinScheduler scheduler, int threads)
{
    private readonly (VcpuId Vcpu, long Start, long End)?[] _running = new (VcpuId, long, long)?[threads];

    public Dictionary<VcpuId, long> RunTime { get; } = [];

    public long Now { get; private set; }

    /// <summary>How long a processor runs of a quantum before it leaves still runnable; the whole quantum by default.</summary>
    public Func<VcpuId, long, long> Run { get; init; } = (_, quantum) => quantum;

    public void RunUntil(long time)
    {
        while (Now < time)
        {
            for (int thread = 0; thread < threads; thread++)
            {
                if (_running[thread] is null && scheduler.PickNext(thread, out var decision))
                {
                    Assert.DoesNotContain(_running, slot => slot?.Vcpu == decision.Vcpu);
                    long ran = Run(decision.Vcpu, decision.QuantumNanoseconds);
                    _running[thread] = (decision.Vcpu, Now, Now + ran);
                }
            }

            int next = Array.FindIndex(_running, slot => slot?.End == _running.Min(other => other?.End));
            var (vcpu, start, end) = _running[next] ?? throw new InvalidOperationException("Nothing is runnable.");
            Now = end;
            RunTime[vcpu] = RunTime.GetValueOrDefault(vcpu) + end - start;
            _running[next] = null;
            scheduler.Account(vcpu, end - start);
        }
    }
}
