namespace Vmm.Kernel;

/// <summary>
/// N host threads that run virtual processors, chosen by a scheduler. Several VMs may share a pool. Only the pool's threads
/// call the scheduler, and without the pool's lock: whoever wakes a processor never waits for it.
/// </summary>
public sealed class CpuPool : IDisposable
{
    private const long MinimumQuantum = 100_000, MaximumQuantum = 1_000_000_000;

    private readonly object _lock = new();
    private readonly List<PoolMember> _members = [];
    private readonly PoolThread[] _threads;
    private readonly GuardedScheduler _scheduler;
    private readonly Timer _watch;
    private PoolThread? _asking;
    private int _waitingToAsk;
    private bool _stopping;

    /// <summary>Makes a pool and starts its threads.</summary>
    /// <param name="name">Name, also of its threads.</param>
    /// <param name="threads">Number of host threads, at least 1.</param>
    /// <param name="log">Where faults of the scheduler are reported.</param>
    /// <param name="scheduler">The scheduler; null for the kernel's own round robin.</param>
    /// <param name="schedulerName">Its configured name, for messages.</param>
    public CpuPool(string name, int threads, IHostLog log, IVcpuScheduler? scheduler = null, string schedulerName = "minimal round robin")
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(threads);
        Name = name;
        _scheduler = new GuardedScheduler(name, _lock, log, scheduler ?? new MinimalRoundRobin(), schedulerName);
        _threads = new PoolThread[threads];
        for (int i = 0; i < threads; i++)
        {
            StartThread(i);
        }

        _watch = new Timer(_ => Watch(), null, GuardedScheduler.Limit, GuardedScheduler.Limit);
    }

    /// <summary>Name of the pool.</summary>
    public string Name { get; }

    /// <summary>Number of host threads.</summary>
    public int ThreadCount => _threads.Length;

    /// <summary>Name of the scheduler in use; <c>minimal round robin</c> after a fault of another.</summary>
    public string SchedulerName => _scheduler.Name;

    /// <summary>Held by a VM from <see cref="HasThreadsFor"/> until it has added its processors: another one counts them then.</summary>
    internal Lock Joining { get; } = new();

    /// <summary>Whether so many more processors would still have a thread each.</summary>
    internal bool HasThreadsFor(int processors)
    {
        lock (_lock)
        {
            return _members.Count + processors <= _threads.Length;
        }
    }

    /// <summary>Changes the scheduler while VMs run.</summary>
    /// <param name="name">Its configured name.</param>
    /// <param name="scheduler">The scheduler, which knows no processor yet.</param>
    public void UseScheduler(string name, IVcpuScheduler scheduler)
    {
        lock (_lock)
        {
            _scheduler.Replace(name, scheduler, _members);
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Stops the threads; virtual processors still in the pool stop running.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _stopping = true;
            foreach (PoolMember member in _members)
            {
                member.Processor.RequestExit();
            }

            Monitor.PulseAll(_lock);
        }

        for (int i = 0; i < _threads.Length; i++)
        {
            // One that its scheduler keeps is replaced meanwhile.
            while (!Volatile.Read(ref _threads[i]).Host.Join(GuardedScheduler.Limit))
            {
            }
        }

        _watch.Dispose();
    }

    /// <summary>Adds a processor: parked and with nothing to do.</summary>
    internal PoolMember Add(IPooledProcessor processor, int weight)
    {
        var member = new PoolMember(this, processor, weight) { Parked = true };
        lock (_lock)
        {
            if (_members.Any(m => m.Processor.Id == processor.Id))
            {
                throw new InvalidOperationException($"CPU pool '{Name}' has a processor {processor.Id.Index} of VM {processor.Id.Vm} already; give each VM its own number.");
            }

            _members.Add(member);
            _scheduler.Add(member);
        }

        return member;
    }

    /// <summary>Takes a processor out; returns when no thread runs it.</summary>
    internal void Remove(PoolMember member)
    {
        Park(member);
        lock (_lock)
        {
            if (_members.Remove(member))
            {
                _scheduler.Remove(member);
            }
        }
    }

    /// <summary>The processor has something to do. Callable from any thread.</summary>
    internal void Wake(PoolMember member)
    {
        lock (_lock)
        {
            member.Runnable = true;
            MakeReady(member);
        }
    }

    /// <summary>Forbids the processor to run.</summary>
    internal void RequestPark(PoolMember member)
    {
        lock (_lock)
        {
            member.Parked = true;
            member.Processor.RequestExit();
        }
    }

    /// <summary>Forbids the processor to run and waits until no thread does. Never called by a thread of the pool.</summary>
    internal void Park(PoolMember member)
    {
        RequestPark(member);
        lock (_lock)
        {
            while (member.Running)
            {
                Monitor.Wait(_lock);
            }
        }
    }

    /// <summary>Allows the processor to run again.</summary>
    internal void Unpark(PoolMember member)
    {
        lock (_lock)
        {
            member.Parked = false;
            MakeReady(member);
        }
    }

    private void MakeReady(PoolMember member)
    {
        if (member is { Runnable: true, Parked: false, Running: false, Ready: false })
        {
            _scheduler.Wake(member);
            Monitor.PulseAll(_lock);
        }
    }

    private void StartThread(int index)
    {
        // Started first: whoever sees it may join it.
        var thread = new PoolThread(Name, index, Work);
        thread.Start();
        Volatile.Write(ref _threads[index], thread);
    }

    // Takes the lock only when the scheduler has kept a thread too long.
    private void Watch()
    {
        if (Volatile.Read(ref _asking) is { } thread && thread.InCall > GuardedScheduler.Limit)
        {
            lock (_lock)
            {
                if (_asking == thread && thread.InCall > GuardedScheduler.Limit)
                {
                    _scheduler.GiveUp(thread, _members);
                    _asking = null;
                    StartThread(thread.Index);
                    Monitor.PulseAll(_lock);
                }
            }
        }
    }

    private void Work(PoolThread thread)
    {
        while (Take(thread, out long quantum) is { } member)
        {
            // Wakes from here on count for the next round.
            long start = TimeProvider.System.GetTimestamp();
            PooledRunResult result = member.Processor.Run(quantum);
            TimeSpan ran = TimeProvider.System.GetElapsedTime(start);
            PutBack(member, result, ran.Ticks * 100);
        }
    }

    private PoolMember? Take(PoolThread thread, out long quantum)
    {
        lock (_lock)
        {
            while (!_stopping && !thread.IsGivenUp)
            {
                if (_asking is not null)
                {
                    _waitingToAsk++;
                    Monitor.Wait(_lock);
                    _waitingToAsk--;
                }
                else if (Ask(thread, out quantum) is not { } member)
                {
                    if (!_stopping && !thread.IsGivenUp)
                    {
                        Monitor.Wait(_lock);
                    }
                }
                else if (member.Parked || _stopping)
                {
                    _scheduler.Release(member, 0, stillReady: false);
                }
                else
                {
                    member.Running = true;
                    member.Runnable = false;
                    quantum = Math.Clamp(quantum, MinimumQuantum, MaximumQuantum);
                    return member;
                }
            }

            quantum = 0;
            return null;
        }
    }

    // The lock is free while the scheduler thinks.
    private PoolMember? Ask(PoolThread thread, out long quantum)
    {
        _asking = thread;
        PoolMember? member = _scheduler.PickNext(thread, _members, out quantum);
        if (!thread.IsGivenUp)
        {
            _asking = null;
            if (_waitingToAsk != 0)
            {
                Monitor.PulseAll(_lock);
            }
        }

        return member;
    }

    private void PutBack(PoolMember member, PooledRunResult result, long ranNanoseconds)
    {
        lock (_lock)
        {
            member.Running = false;
            member.Runnable |= result == PooledRunResult.Runnable;
            _scheduler.Release(member, ranNanoseconds, member.Runnable && !member.Parked);
            MakeReady(member);
            Monitor.PulseAll(_lock);
        }
    }
}
