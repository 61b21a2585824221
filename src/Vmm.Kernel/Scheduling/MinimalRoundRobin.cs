namespace Vmm.Kernel;

/// <summary>The scheduler of last resort: everybody in turn, 10 ms each, no weights.</summary>
internal sealed class MinimalRoundRobin : IVcpuScheduler
{
    private const long Quantum = 10_000_000;

    private readonly List<VcpuId> _ready = [];

    public void Add(VcpuId vcpu, int weight)
    {
    }

    public void Remove(VcpuId vcpu) => _ready.Remove(vcpu);

    public void Wake(VcpuId vcpu) => _ready.Add(vcpu);

    public void Block(VcpuId vcpu) => _ready.Remove(vcpu);

    public bool PickNext(int thread, out SchedulingDecision decision)
    {
        if (_ready.Count == 0)
        {
            decision = default;
            return false;
        }

        decision = new SchedulingDecision(_ready[0], Quantum);
        _ready.RemoveAt(0);
        return true;
    }

    public void Account(VcpuId vcpu, long ranNanoseconds) => _ready.Add(vcpu);
}
