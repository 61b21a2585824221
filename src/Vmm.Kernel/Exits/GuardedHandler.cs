namespace Vmm.Kernel;

/// <summary>
/// The seat of an exit handler: an exception skips it for that exit, and the eighth one disables it. Called by several
/// processors at once.
/// </summary>
internal sealed class GuardedHandler(string name, IHostLog log)
{
    private const int FaultLimit = 8;
    private int _faults;

    /// <summary>Its configured name.</summary>
    public string Name { get; } = name;

    /// <summary>False after too many faults.</summary>
    public bool Enabled => Volatile.Read(ref _faults) < FaultLimit;

    /// <summary>Notes an exception.</summary>
    public void Fault(string what, Exception exception)
    {
        int faults = Interlocked.Increment(ref _faults);
        if (faults <= FaultLimit)
        {
            string consequence = faults < FaultLimit ? "it is skipped for this exit" : "it is disabled now";
            log.Write(DeviceLogLevel.Error, Name, $"Exit handler '{Name}' failed in {what}: {exception.GetType().Name}: {exception.Message}; {consequence}.");
        }
    }
}
