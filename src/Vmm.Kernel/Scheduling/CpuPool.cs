namespace Vmm.Kernel;

/// <summary>
/// N host threads that run virtual processors, chosen by a scheduler. Several VMs may share a pool.
/// </summary>
public sealed class CpuPool : IDisposable
{
    private const long MinimumQuantum = 100_000, MaximumQuantum = 1_000_000_000;

    private readonly object _lock = new();
    private readonly List<PoolMember> _members = [];
    private readonly Thread[] _threads;
    private readonly GuardedScheduler _scheduler;
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
        _scheduler = new GuardedScheduler(name, log, scheduler ?? new MinimalRoundRobin(), schedulerName);
        _threads = new Thread[threads];
        for (int i = 0; i < threads; i++)
        {
            int index = i;
            _threads[i] = new Thread(() => Work(index), maxStackSize: 16 << 20) { Name = $"{name}/{i}", IsBackground = true };
            _threads[i].Start();
        }
    }

    /// <summary>Name of the pool.</summary>
    public string Name { get; }

    /// <summary>Number of host threads.</summary>
    public int ThreadCount => _threads.Length;

    /// <summary>Name of the scheduler in use; <c>minimal round robin</c> after a fault of another.</summary>
    public string SchedulerName => _scheduler.Name;

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

        foreach (Thread thread in _threads)
        {
            thread.Join();
        }
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
            _scheduler.Add(member, _members);
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
                _scheduler.Remove(member, _members);
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
            _scheduler.Wake(member, _members);
            Monitor.PulseAll(_lock);
        }
    }

    private void Work(int thread)
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

    private PoolMember? Take(int thread, out long quantum)
    {
        lock (_lock)
        {
            while (!_stopping)
            {
                if (!_scheduler.PickNext(thread, _members, out PoolMember? member, out quantum))
                {
                    Monitor.Wait(_lock);
                }
                else if (member.Parked)
                {
                    _scheduler.Release(member, 0, stillReady: false, _members);
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

    private void PutBack(PoolMember member, PooledRunResult result, long ranNanoseconds)
    {
        lock (_lock)
        {
            member.Running = false;
            member.Runnable |= result == PooledRunResult.Runnable;
            _scheduler.Release(member, ranNanoseconds, member.Runnable && !member.Parked, _members);
            MakeReady(member);
            Monitor.PulseAll(_lock);
        }
    }
}
