namespace Vmm.Engine.Software.Tests.Harness;

/// <summary>
/// Stops a guest that does not come to its end. What counts is the time that this process had a processor, not the
/// clock's: on a loaded machine a guest may be slow through no fault of its own.
/// </summary>
internal sealed class GuestDeadline : IDisposable
{
    private static readonly TimeSpan Allowed = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(5);

    private readonly TimeSpan _start = Environment.CpuUsage.TotalTime;
    private readonly Action _stop;
    private readonly Timer _timer;

    /// <param name="stop">Makes the guest leave; called on another thread.</param>
    public GuestDeadline(Action stop)
    {
        _stop = stop;
        _timer = new Timer(_ => Look(), null, Period, Period);
    }

    /// <summary>Whether the guest was stopped.</summary>
    public bool HasPassed { get; private set; }

    private void Look()
    {
        if (Environment.CpuUsage.TotalTime - _start > Allowed)
        {
            HasPassed = true;
            _stop();
        }
    }

    /// <summary>Returns when <c>stop</c> will not be called any more.</summary>
    public void Dispose()
    {
        using ManualResetEvent done = new(false);
        if (_timer.Dispose(done))
        {
            done.WaitOne();
        }
    }
}
