using Vmm.Sdk;

namespace Vmm.Plugins.RoundRobin;

/// <summary>
/// Deficit round robin. Each processor gets a turn of quantum × weight / 100. A processor that leaves with time left
/// (it blocked, or was kicked) keeps the rest, and comes before those that wait for a new turn when it is runnable
/// again. A wake is therefore answered at once, and yet nobody gets more than one turn a round: a new turn begins only
/// at the head of the round's queue.
/// </summary>
[Scheduler("round-robin", Description = "Fair turns by weight; a processor that wakes finishes its turn first")]
public sealed class RoundRobinScheduler(RoundRobinOptions options) : IVcpuScheduler
{
    private const int OrdinaryWeight = 100;

    /// <summary>Below this the rest of a turn is not worth a switch; also the least quantum that the kernel grants.</summary>
    private const long LeastTurnNanoseconds = 100_000;

    private readonly Dictionary<VcpuId, VcpuTurn> _turns = [];
    private readonly LinkedList<VcpuTurn> _unfinished = new();
    private readonly LinkedList<VcpuTurn> _round = new();
    private readonly long _quantumNanoseconds = options.Quantum * 1_000_000L;

    public void Add(VcpuId vcpu, int weight) =>
        _turns.Add(vcpu, new VcpuTurn(vcpu, Math.Max(_quantumNanoseconds * weight / OrdinaryWeight, LeastTurnNanoseconds)));

    public void Remove(VcpuId vcpu)
    {
        if (_turns.Remove(vcpu, out var turn))
        {
            turn.Node.List?.Remove(turn.Node);
        }
    }

    public void Wake(VcpuId vcpu)
    {
        if (_turns.TryGetValue(vcpu, out var turn) && turn.Status == VcpuStatus.Blocked)
        {
            Enqueue(turn);
        }
    }

    public void Block(VcpuId vcpu)
    {
        if (_turns.TryGetValue(vcpu, out var turn))
        {
            turn.Node.List?.Remove(turn.Node);
            turn.Status = VcpuStatus.Blocked;
        }
    }

    public bool PickNext(int thread, out SchedulingDecision decision)
    {
        while ((_unfinished.First ?? _round.First) is { } node)
        {
            var turn = node.Value;
            node.List!.Remove(node);
            if (turn.RemainingNanoseconds < LeastTurnNanoseconds)
            {
                turn.Refill();
                if (turn.RemainingNanoseconds < LeastTurnNanoseconds)
                {
                    // The debt ate the new turn. It is at most one slice, so the next round is the last to be missed.
                    _round.AddLast(node);
                    continue;
                }
            }

            turn.Status = VcpuStatus.Running;
            decision = new SchedulingDecision(turn.Vcpu, turn.RemainingNanoseconds);
            return true;
        }

        decision = default;
        return false;
    }

    public void Account(VcpuId vcpu, long ranNanoseconds)
    {
        if (_turns.TryGetValue(vcpu, out var turn) && turn.Status == VcpuStatus.Running)
        {
            turn.Charge(ranNanoseconds);
            Enqueue(turn);
        }
    }

    private void Enqueue(VcpuTurn turn)
    {
        turn.Status = VcpuStatus.Queued;
        var queue = turn.RemainingNanoseconds >= LeastTurnNanoseconds ? _unfinished : _round;
        queue.AddLast(turn.Node);
    }
}
