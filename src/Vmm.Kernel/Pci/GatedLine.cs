namespace Vmm.Kernel;

/// <summary>The INTx# pin: what the device drives reaches the wire unless it is muted by MSI-X or the command register.</summary>
internal sealed class GatedLine(IInterruptLine? wire, Action<bool> status) : IInterruptLine
{
    private readonly Lock _lock = new();
    private bool _asserted;
    private bool _muted;

    public bool Muted
    {
        get => _muted;
        set
        {
            lock (_lock)
            {
                _muted = value;
                wire?.Set(_asserted && !value);
            }
        }
    }

    /// <summary>What the device drives, muted or not.</summary>
    public bool Asserted => _asserted;

    /// <summary>Sets what the device drives; the wire has state of its own.</summary>
    public void Restore(bool asserted) => _asserted = asserted;

    public void Set(bool asserted)
    {
        lock (_lock)
        {
            if (_asserted != asserted)
            {
                _asserted = asserted;
                status(asserted);
                wire?.Set(asserted && !_muted);
            }
        }
    }
}
