namespace Vmm.Sdk.Testing;

/// <summary>
/// One interrupt line: asserted while any of its sources is, or as the one source says that took it for itself. Also a
/// source itself, for the test's own use.
/// </summary>
/// <param name="name">Name for messages.</param>
public sealed class FakeLine(string name) : IInterruptLine
{
    private readonly Lock _lock = new();
    private readonly HashSet<LineSource> _asserting = [];
    private LineSource? _exclusive;
    private IInterruptLine? _own;
    private volatile bool _asserted;

    /// <summary>Name for messages.</summary>
    public string Name { get; } = name;

    /// <summary>The combined level.</summary>
    public bool Asserted => _asserted;

    /// <summary>How often the line went from released to asserted.</summary>
    public int RisingEdges { get; private set; }

    internal event Action<bool>? Changed;

    /// <summary>Makes a new source of the line.</summary>
    public IInterruptLine Source() => ExclusiveSource();

    /// <summary>Makes a new source that can take the line for itself.</summary>
    public IExclusiveInterruptLine ExclusiveSource() => new LineSource(this);

    /// <inheritdoc/>
    public void Set(bool asserted) => (_own ??= Source()).Set(asserted);

    private void Change(Action change)
    {
        bool asserted;
        lock (_lock)
        {
            change();
            asserted = _exclusive is null ? _asserting.Count > 0 : _asserting.Contains(_exclusive);
            if (asserted == _asserted)
            {
                return;
            }

            _asserted = asserted;
            RisingEdges += asserted ? 1 : 0;
        }

        Changed?.Invoke(asserted);
    }

    private sealed class LineSource(FakeLine line) : IExclusiveInterruptLine
    {
        public bool Exclusive
        {
            get => Volatile.Read(ref line._exclusive) == this;
            set => line.Change(() => line._exclusive = value ? this : line._exclusive == this ? null : line._exclusive);
        }

        public void Set(bool asserted) => line.Change(() => _ = asserted ? line._asserting.Add(this) : line._asserting.Remove(this));
    }
}
