using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace Vmm.Kernel;

/// <summary>
/// The seat of the scheduler in a pool. A scheduler that throws, takes too long or names a processor that it must not
/// is replaced by <see cref="MinimalRoundRobin"/>. Called under the pool's lock.
/// </summary>
internal sealed class GuardedScheduler(string pool, IHostLog log, IVcpuScheduler scheduler, string name)
{
    /// <summary>Longest call that is tolerated: far above any sane scheduler, also on a host that is short of processors.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(250);

    private IVcpuScheduler _scheduler = scheduler;

    public string Name { get; private set; } = name;

    public void Add(PoolMember member, IReadOnlyList<PoolMember> all)
    {
        Call(all, s =>
        {
            s.Add(member.Processor.Id, member.Weight);
            return true;
        });
    }

    public void Remove(PoolMember member, IReadOnlyList<PoolMember> all)
    {
        Call(all, s =>
        {
            s.Remove(member.Processor.Id);
            return true;
        });
    }

    public void Wake(PoolMember member, IReadOnlyList<PoolMember> all)
    {
        member.Ready = true;
        Call(all, s =>
        {
            s.Wake(member.Processor.Id);
            return true;
        });
    }

    public bool PickNext(int thread, IReadOnlyList<PoolMember> all, [NotNullWhen(true)] out PoolMember? member, out long quantum)
    {
        SchedulingDecision decision = default;
        IVcpuScheduler asked = _scheduler;
        bool picked = Call(all, s => s.PickNext(thread, out decision));
        if (asked != _scheduler)
        {
            return PickNext(thread, all, out member, out quantum);
        }

        member = null;
        quantum = decision.QuantumNanoseconds;
        if (!picked)
        {
            return false;
        }

        foreach (PoolMember candidate in all)
        {
            if (candidate.Processor.Id == decision.Vcpu && candidate is { Ready: true, Picked: false })
            {
                candidate.Picked = true;
                member = candidate;
                return true;
            }
        }

        Fall(all, $"it picked processor {decision.Vcpu.Index} of VM {decision.Vcpu.Vm}, which is not runnable or runs already");
        return PickNext(thread, all, out member, out quantum);
    }

    /// <summary>A picked processor comes back.</summary>
    public void Release(PoolMember member, long ranNanoseconds, bool stillReady, IReadOnlyList<PoolMember> all)
    {
        // After a replacement the new scheduler never picked it: it learns of it through Wake.
        bool picked = member.Picked;
        member.Picked = false;
        member.Ready = picked && stillReady;
        if (picked)
        {
            Call(all, s =>
            {
                s.Account(member.Processor.Id, ranNanoseconds);
                if (!stillReady)
                {
                    s.Block(member.Processor.Id);
                }

                return true;
            });
        }
    }

    public void Replace(string name, IVcpuScheduler scheduler, IReadOnlyList<PoolMember> all)
    {
        _scheduler = scheduler;
        Name = name;
        foreach (PoolMember member in all)
        {
            bool waiting = member.Ready && !member.Picked;
            member.Picked = false;
            member.Ready = false;
            Add(member, all);
            if (waiting && _scheduler == scheduler)
            {
                Wake(member, all);
            }
        }
    }

    private T? Call<T>(IReadOnlyList<PoolMember> all, Func<IVcpuScheduler, T> call)
    {
        IVcpuScheduler scheduler = _scheduler;
        long start = Stopwatch.GetTimestamp();
        try
        {
            T result = call(scheduler);
            if (scheduler is not MinimalRoundRobin && scheduler == _scheduler && Stopwatch.GetElapsedTime(start) > Limit)
            {
                Fall(all, $"a call took longer than {Limit.TotalMilliseconds} ms");
            }

            return result;
        }
        catch (Exception e) when (scheduler is not MinimalRoundRobin)
        {
            Fall(all, $"it threw {e.GetType().Name}: {e.Message}");
            return default;
        }
    }

    private void Fall(IReadOnlyList<PoolMember> all, string why)
    {
        log.Write(DeviceLogLevel.Error, pool, $"Scheduler '{Name}' is replaced by the minimal round robin: {why}.");
        Replace("minimal round robin", new MinimalRoundRobin(), all);
    }
}
