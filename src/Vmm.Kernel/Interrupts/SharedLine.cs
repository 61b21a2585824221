namespace Vmm.Kernel;

/// <summary>
/// A line that is asserted while any of its sources is, or follows the one source that took it for itself. Changes are
/// reported in their order.
/// </summary>
internal sealed class SharedLine(Action<bool> changed)
{
    private readonly Lock _lock = new();
    private int _assertedSources;
    private Source? _exclusive;
    private volatile bool _asserted;

    public bool Asserted => _asserted;

    public IExclusiveInterruptLine AddSource() => new Source(this);

    private void Change(Source source, bool asserted)
    {
        lock (_lock)
        {
            if (source.Asserted != asserted)
            {
                source.Asserted = asserted;
                _assertedSources += asserted ? 1 : -1;
                Update();
            }
        }
    }

    private void SetExclusive(Source source, bool exclusive)
    {
        lock (_lock)
        {
            if (exclusive != (_exclusive == source))
            {
                _exclusive = exclusive ? source : null;
                Update();
            }
        }
    }

    private void Update()
    {
        bool asserted = _exclusive?.Asserted ?? _assertedSources > 0;
        if (asserted != _asserted)
        {
            _asserted = asserted;
            changed(asserted);
        }
    }

    private sealed class Source(SharedLine line) : IExclusiveInterruptLine
    {
        /// <summary>Guarded by the lock of the line.</summary>
        public bool Asserted { get; set; }

        public bool Exclusive
        {
            get => Volatile.Read(ref line._exclusive) == this;
            set => line.SetExclusive(this, value);
        }

        public void Set(bool asserted) => line.Change(this, asserted);
    }
}
