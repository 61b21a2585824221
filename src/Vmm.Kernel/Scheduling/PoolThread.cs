using System.Diagnostics;

namespace Vmm.Kernel;

/// <summary>A host thread of a pool.</summary>
internal sealed class PoolThread
{
    private long _callStarted;

    /// <summary>Makes the thread; <see cref="Start"/> starts it.</summary>
    /// <param name="pool">Name of the pool.</param>
    /// <param name="index">Number in the pool.</param>
    /// <param name="work">What it does.</param>
    public PoolThread(string pool, int index, Action<PoolThread> work)
    {
        Index = index;
        Host = new Thread(() => work(this), maxStackSize: 16 << 20) { Name = $"{pool}/{index}", IsBackground = true };
    }

    /// <summary>Number in the pool, from 0.</summary>
    public int Index { get; }

    public Thread Host { get; }

    /// <summary>A scheduler keeps it, and another thread has its place: it ends when it comes back. Set under the pool's lock.</summary>
    public volatile bool IsGivenUp;

    /// <summary>The scheduler that was asked last.</summary>
    public IVcpuScheduler? Asked { get; private set; }

    /// <summary>How long the scheduler has been keeping it; zero when it does not. Readable from any thread.</summary>
    public TimeSpan InCall => Volatile.Read(ref _callStarted) is not 0 and var started ? Stopwatch.GetElapsedTime(started) : TimeSpan.Zero;

    public void Start() => Host.Start();

    public void BeginCall(IVcpuScheduler scheduler)
    {
        Asked = scheduler;
        Volatile.Write(ref _callStarted, Stopwatch.GetTimestamp());
    }

    /// <summary>The call has returned; how long it took.</summary>
    public TimeSpan EndCall()
    {
        TimeSpan took = InCall;
        Volatile.Write(ref _callStarted, 0);
        return took;
    }
}
