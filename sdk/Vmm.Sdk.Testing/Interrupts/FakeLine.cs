namespace Vmm.Sdk.Testing;

/// <summary>One interrupt line: asserted while any of its sources is. Also a source itself, for the test's own use.</summary>
/// <param name="name">Name for messages.</param>
public sealed class FakeLine(string name) : IInterruptLine
{
    private readonly Lock _lock = new();
    private int _assertedSources;
    private IInterruptLine? _own;

    /// <summary>Name for messages.</summary>
    public string Name { get; } = name;

    /// <summary>The combined level.</summary>
    public bool Asserted => Volatile.Read(ref _assertedSources) > 0;

    /// <summary>How often the line went from released to asserted.</summary>
    public int RisingEdges { get; private set; }

    internal event Action<bool>? Changed;

    /// <summary>Makes a new source of the line.</summary>
    public IInterruptLine Source() => new LineSource(this);

    /// <inheritdoc/>
    public void Set(bool asserted) => (_own ??= Source()).Set(asserted);

    private void SourceChanged(bool asserted)
    {
        bool changed;
        lock (_lock)
        {
            var before = _assertedSources;
            _assertedSources += asserted ? 1 : -1;
            changed = (before > 0) != (_assertedSources > 0);
            if (changed && asserted)
            {
                RisingEdges++;
            }
        }

        if (changed)
        {
            Changed?.Invoke(asserted);
        }
    }

    private sealed class LineSource(FakeLine line) : IInterruptLine
    {
        private int _level;

        public void Set(bool asserted)
        {
            var level = asserted ? 1 : 0;
            if (Interlocked.Exchange(ref _level, level) != level)
            {
                line.SourceChanged(asserted);
            }
        }
    }
}
