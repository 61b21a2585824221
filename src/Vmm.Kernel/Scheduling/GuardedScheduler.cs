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

    public void Add(PoolMember member, IReadOnlyList<PoolMember> all) => Call(ScheduleCall.Add, member, all);

    public void Remove(PoolMember member, IReadOnlyList<PoolMember> all) => Call(ScheduleCall.Remove, member, all);

    public void Wake(PoolMember member, IReadOnlyList<PoolMember> all)
    {
        member.Ready = true;
        Call(ScheduleCall.Wake, member, all);
    }

    public bool PickNext(int thread, IReadOnlyList<PoolMember> all, [NotNullWhen(true)] out PoolMember? member, out long quantum)
    {
        IVcpuScheduler asked = _scheduler;
        long start = Stopwatch.GetTimestamp();
        SchedulingDecision decision = default;
        bool picked = false;
        try
        {
            picked = asked.PickNext(thread, out decision);
            CheckTime(start, all);
        }
        catch (Exception e) when (asked is not MinimalRoundRobin)
        {
            Fall(all, e);
        }

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
            Call(ScheduleCall.Account, member, all, ranNanoseconds);
            if (!stillReady)
            {
                Call(ScheduleCall.Block, member, all);
            }
        }
    }

    public void Replace(string name, IVcpuScheduler scheduler, IReadOnlyList<PoolMember> all)
    {
        _scheduler = scheduler;
        Name = name;
        foreach (PoolMember member in all)
        {
            Add(member, all);
            if (_scheduler != scheduler)
            {
                return; // it failed already, and its successor knows everybody
            }
        }

        // Who runs now was never picked by the new scheduler: it learns of them when they come back.
        foreach (PoolMember member in all)
        {
            bool waiting = member.Ready && !member.Picked;
            member.Picked = false;
            member.Ready = false;
            if (waiting)
            {
                Wake(member, all);
                if (_scheduler != scheduler)
                {
                    return;
                }
            }
        }
    }

    private void Call(ScheduleCall call, PoolMember member, IReadOnlyList<PoolMember> all, long ranNanoseconds = 0)
    {
        IVcpuScheduler scheduler = _scheduler;
        VcpuId id = member.Processor.Id;
        long start = Stopwatch.GetTimestamp();
        try
        {
            switch (call)
            {
                case ScheduleCall.Add:
                    scheduler.Add(id, member.Weight);
                    break;
                case ScheduleCall.Remove:
                    scheduler.Remove(id);
                    break;
                case ScheduleCall.Wake:
                    scheduler.Wake(id);
                    break;
                case ScheduleCall.Block:
                    scheduler.Block(id);
                    break;
                case ScheduleCall.Account:
                    scheduler.Account(id, ranNanoseconds);
                    break;
            }

            CheckTime(start, all);
        }
        catch (Exception e) when (scheduler is not MinimalRoundRobin)
        {
            Fall(all, e);
        }
    }

    private void CheckTime(long start, IReadOnlyList<PoolMember> all)
    {
        if (_scheduler is not MinimalRoundRobin && Stopwatch.GetElapsedTime(start) > Limit)
        {
            Fall(all, $"a call took longer than {Limit.TotalMilliseconds} ms");
        }
    }

    private void Fall(IReadOnlyList<PoolMember> all, Exception exception) => Fall(all, $"it threw {exception.GetType().Name}: {exception.Message}");

    private void Fall(IReadOnlyList<PoolMember> all, string why)
    {
        log.Write(DeviceLogLevel.Error, pool, $"Scheduler '{Name}' is replaced by the minimal round robin: {why}.");
        Replace("minimal round robin", new MinimalRoundRobin(), all);
    }

    private enum ScheduleCall
    {
        Add,
        Remove,
        Wake,
        Block,
        Account,
    }
}
