namespace Vmm.Sdk.Testing;

/// <summary>Counts what devices do to the power and the reset line of the machine.</summary>
public sealed class FakePowerControl : IPowerControl
{
    private int _powerOffs;
    private int _resets;

    /// <summary>How often the machine was turned off.</summary>
    public int PowerOffs => Volatile.Read(ref _powerOffs);

    /// <summary>How often the machine was reset.</summary>
    public int Resets => Volatile.Read(ref _resets);

    /// <summary>The status of the last <see cref="Exit"/>, or null.</summary>
    public int? ExitStatus { get; private set; }

    /// <inheritdoc/>
    public void PowerOff() => Interlocked.Increment(ref _powerOffs);

    /// <inheritdoc/>
    public void Reset() => Interlocked.Increment(ref _resets);

    /// <inheritdoc/>
    public void Exit(int status)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(status);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(status, 255);
        ExitStatus = status;
    }
}
