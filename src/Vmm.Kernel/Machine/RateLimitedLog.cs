namespace Vmm.Kernel;

/// <summary>
/// Passes at most <c>burst</c> messages of one kind a second, then says how many it kept back. The guest can cause such
/// messages as fast as it likes.
/// </summary>
internal sealed class RateLimitedLog(IHostLog log, string source, TimeProvider time, int burst = 8)
{
    private readonly Lock _lock = new();
    private long _windowStart = long.MinValue;
    private int _inWindow;
    private long _suppressed;

    /// <summary>Whether a message would pass now. Counts one; the caller formats text only when true.</summary>
    public bool Admit()
    {
        lock (_lock)
        {
            long now = time.GetTimestamp();
            if (_windowStart == long.MinValue || now - _windowStart >= time.TimestampFrequency)
            {
                _windowStart = now;
                _inWindow = 0;
            }

            if (++_inWindow <= burst)
            {
                return true;
            }

            _suppressed++;
            return false;
        }
    }

    public void Write(DeviceLogLevel level, string message)
    {
        long kept = Interlocked.Exchange(ref _suppressed, 0);
        log.Write(level, source, kept == 0 ? message : $"{message} ({kept} similar messages kept back)");
    }
}
