using Vmm.Sdk;

namespace Vmm.Plugins.RoundRobin;

/// <summary>Where a virtual processor stands.</summary>
internal enum VcpuStatus
{
    Blocked,
    Queued,
    Running,
}

/// <summary>One virtual processor and what is left of its turn.</summary>
internal sealed class VcpuTurn
{
    public VcpuTurn(VcpuId vcpu, long sliceNanoseconds)
    {
        Vcpu = vcpu;
        SliceNanoseconds = sliceNanoseconds;
        Node = new LinkedListNode<VcpuTurn>(this);
    }

    public VcpuId Vcpu { get; }

    /// <summary>A full turn: the quantum scaled by the weight.</summary>
    public long SliceNanoseconds { get; }

    /// <summary>The turn's one queue node, made once so that queueing allocates nothing.</summary>
    public LinkedListNode<VcpuTurn> Node { get; }

    public VcpuStatus Status { get; set; }

    /// <summary>Run time left in this turn; negative when the last one was overrun.</summary>
    public long RemainingNanoseconds { get; private set; }

    /// <summary>Starts a new turn, less what the last one overran.</summary>
    public void Refill() => RemainingNanoseconds += SliceNanoseconds;

    /// <summary>Takes run time off the turn. A debt of more than one slice is forgiven: the host stalled, not the guest.</summary>
    public void Charge(long nanoseconds) =>
        RemainingNanoseconds = Math.Max(RemainingNanoseconds - Math.Max(nanoseconds, 0), -SliceNanoseconds);
}
