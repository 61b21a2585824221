namespace Vmm.Kernel;

/// <summary>One virtual processor.</summary>
internal sealed class VirtualProcessor(VcpuId id) : IPooledProcessor, IDisposable
{
    public VcpuId Id { get; } = id;

    public PoolMember Member { get; set; } = null!;

    public void PowerOn(ProcessorState? state)
    {
        if (state is not null)
        {
            Member.Pool.Wake(Member);
        }
    }

    public PooledRunResult Run(long quantumNanoseconds) => PooledRunResult.Blocked;

    public void RequestExit()
    {
    }

    public void Dispose()
    {
    }
}
