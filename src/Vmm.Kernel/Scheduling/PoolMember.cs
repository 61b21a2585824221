namespace Vmm.Kernel;

/// <summary>A virtual processor as a CPU pool runs it.</summary>
internal interface IPooledProcessor
{
    /// <summary>Who it is.</summary>
    VcpuId Id { get; }

    /// <summary>Runs on the calling thread until the quantum is over, there is nothing to do, or an exit is requested.</summary>
    /// <param name="quantumNanoseconds">At most this long.</param>
    PooledRunResult Run(long quantumNanoseconds);

    /// <summary>Makes <see cref="Run"/> return soon. Callable from any thread.</summary>
    void RequestExit();
}

/// <summary>Why a processor left its thread.</summary>
internal enum PooledRunResult
{
    /// <summary>It could go on.</summary>
    Runnable,

    /// <summary>It has nothing to do until it is woken.</summary>
    Blocked,
}

/// <summary>A processor's place in a pool. Everything but the constructor arguments is guarded by the pool's lock.</summary>
internal sealed class PoolMember(CpuPool pool, IPooledProcessor processor, int weight)
{
    public CpuPool Pool { get; } = pool;

    public IPooledProcessor Processor { get; } = processor;

    public int Weight { get; } = weight;

    /// <summary>It has something to do.</summary>
    public bool Runnable { get; set; }

    /// <summary>It must not run: its VM is paused or stopped.</summary>
    public bool Parked { get; set; }

    /// <summary>A thread runs it.</summary>
    public bool Running { get; set; }

    /// <summary>The scheduler counts it as runnable.</summary>
    public bool Ready { get; set; }

    /// <summary>The scheduler handed it to a thread and has not had it back.</summary>
    public bool Picked { get; set; }
}
