namespace Vmm.Kernel;

/// <summary>
/// The seat of the scheduler in a pool. Guarded by the pool's lock, which is let go while the scheduler is asked: one that
/// does not answer holds up nobody but the thread that asks. What happens meanwhile is told before the next question. A
/// scheduler that throws, takes too long or names a processor that it must not is replaced by <see cref="MinimalRoundRobin"/>.
/// </summary>
internal sealed class GuardedScheduler(string pool, object poolLock, IHostLog log, IVcpuScheduler scheduler, string name)
{
    /// <summary>Longest call that is tolerated: far above any sane scheduler, also on a host that is short of processors.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(250);

    private static readonly string Overrun = $"a call took longer than {Limit.TotalMilliseconds} ms";

    private IVcpuScheduler _scheduler = scheduler;
    private List<SchedulerNews> _news = [];
    private List<SchedulerNews> _told = [];

    public string Name { get; private set; } = name;

    public void Add(PoolMember member) => _news.Add(new(ScheduleCall.Add, member));

    public void Remove(PoolMember member) => _news.Add(new(ScheduleCall.Remove, member));

    public void Wake(PoolMember member)
    {
        member.Ready = true;
        _news.Add(new(ScheduleCall.Wake, member));
    }

    /// <summary>A picked processor comes back.</summary>
    public void Release(PoolMember member, long ranNanoseconds, bool stillReady)
    {
        // After a replacement the new scheduler never picked it: it learns of it through Wake.
        bool picked = member.Picked;
        member.Picked = false;
        member.Ready = picked && stillReady;
        if (picked)
        {
            _news.Add(new(ScheduleCall.Account, member, ranNanoseconds));
            if (!stillReady)
            {
                _news.Add(new(ScheduleCall.Block, member));
            }
        }
    }

    /// <summary>
    /// Tells the scheduler the news and asks whom to run, one thread at a time, with the lock held before and after. Null:
    /// nobody, or the thread was given up meanwhile.
    /// </summary>
    public PoolMember? PickNext(PoolThread thread, IReadOnlyList<PoolMember> all, out long quantum)
    {
        while (true)
        {
            IVcpuScheduler asked = _scheduler;
            List<SchedulerNews> news = _news;
            (_news, _told) = (_told, _news);
            Monitor.Exit(poolLock);
            Answer answer;
            try
            {
                answer = Ask(asked, thread, news);
            }
            finally
            {
                Monitor.Enter(poolLock);
            }

            quantum = answer.Decision.QuantumNanoseconds;
            if (thread.IsGivenUp)
            {
                return null;
            }

            news.Clear();
            if (asked != _scheduler)
            {
                continue;
            }

            if (answer.Failure is not null)
            {
                Fall(all, answer.Failure);
            }
            else if (!answer.Picked)
            {
                if (_news.Count == 0)
                {
                    return null;
                }
            }
            else if (Find(all, answer.Decision.Vcpu) is { } member)
            {
                member.Picked = true;
                return member;
            }
            else if (!IsRemoved(answer.Decision.Vcpu))
            {
                Fall(all, $"it picked processor {answer.Decision.Vcpu.Index} of VM {answer.Decision.Vcpu.Vm}, which is not runnable or runs already");
            }
        }
    }

    /// <summary>Changes the scheduler.</summary>
    public void Replace(string name, IVcpuScheduler scheduler, IReadOnlyList<PoolMember> all)
    {
        _scheduler = scheduler;
        Name = name;
        _news.Clear();
        foreach (PoolMember member in all)
        {
            Add(member);
        }

        // Who runs now was never picked by the new scheduler: it learns of them when they come back.
        foreach (PoolMember member in all)
        {
            bool waiting = member is { Ready: true, Picked: false };
            member.Picked = false;
            member.Ready = false;
            if (waiting)
            {
                Wake(member);
            }
        }
    }

    /// <summary>A thread that asks gets no answer: it is given up, and so is the scheduler if it is still the one that was asked.</summary>
    public void GiveUp(PoolThread thread, IReadOnlyList<PoolMember> all)
    {
        thread.IsGivenUp = true;
        _told = []; // the thread still reads the old one
        if (thread.Asked == _scheduler)
        {
            Fall(all, Overrun);
        }
    }

    // Without the lock.
    private static Answer Ask(IVcpuScheduler scheduler, PoolThread thread, List<SchedulerNews> news)
    {
        try
        {
            bool inTime = true;
            foreach (SchedulerNews item in news)
            {
                thread.BeginCall(scheduler);
                item.Tell(scheduler);
                inTime &= thread.EndCall() <= Limit;
                if (thread.IsGivenUp)
                {
                    return default;
                }
            }

            thread.BeginCall(scheduler);
            bool picked = scheduler.PickNext(thread.Index, out SchedulingDecision decision);
            inTime &= thread.EndCall() <= Limit;
            return new Answer(picked, decision, inTime || scheduler is MinimalRoundRobin ? null : Overrun);
        }
        catch (Exception e) when (scheduler is not MinimalRoundRobin)
        {
            thread.EndCall();
            return new Answer(false, default, $"it threw {e.GetType().Name}: {e.Message}");
        }
    }

    private static PoolMember? Find(IReadOnlyList<PoolMember> all, VcpuId id)
    {
        foreach (PoolMember member in all)
        {
            if (member.Processor.Id == id)
            {
                return member is { Ready: true, Picked: false } ? member : null;
            }
        }

        return null;
    }

    // Taken out while the scheduler was thinking: it could not know.
    private bool IsRemoved(VcpuId id)
    {
        foreach (SchedulerNews item in _news)
        {
            if (item.Call == ScheduleCall.Remove && item.Member.Processor.Id == id)
            {
                return true;
            }
        }

        return false;
    }

    private void Fall(IReadOnlyList<PoolMember> all, string why)
    {
        log.Write(DeviceLogLevel.Error, pool, $"Scheduler '{Name}' is replaced by the minimal round robin: {why}.");
        Replace("minimal round robin", new MinimalRoundRobin(), all);
    }

    private readonly record struct Answer(bool Picked, SchedulingDecision Decision, string? Failure);
}
