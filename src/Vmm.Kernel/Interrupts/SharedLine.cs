namespace Vmm.Kernel;

/// <summary>
/// A line that is asserted while any of its sources is, or follows the one source that took it for itself. Changes are
/// reported in their order.
/// </summary>
internal sealed class SharedLine(Action<bool> changed)
{
    private readonly Lock _lock = new();
    private readonly List<Source> _sources = [];
    private int _assertedSources;
    private Source? _exclusive;
    private volatile bool _asserted;

    public bool Asserted => _asserted;

    /// <summary>Adds a source.</summary>
    /// <param name="name">Its name: that of its device and of the line, by which saved state finds it.</param>
    public IExclusiveInterruptLine AddSource(string name = "")
    {
        lock (_lock)
        {
            var source = new Source(this, name);
            _sources.Add(source);
            return source;
        }
    }

    /// <summary>The sources that drive the line now, or have it for themselves.</summary>
    public IReadOnlyList<LineSource> Save()
    {
        lock (_lock)
        {
            return [.. _sources.Where(s => s.Asserted || s == _exclusive).Select(s => new LineSource(s.Name, s.Asserted, s == _exclusive))];
        }
    }

    /// <summary>Sets what each source drives, and reports nothing: the controllers know from their own state.</summary>
    /// <exception cref="StateException">There is no such source.</exception>
    public void Restore(IReadOnlyList<LineSource> driven)
    {
        lock (_lock)
        {
            _sources.ForEach(source => source.Asserted = false);
            _exclusive = null;
            foreach (LineSource state in driven)
            {
                Source source = _sources.Find(s => s.Name == state.Name && !s.Asserted)
                    ?? throw new StateException($"'{state.Name}' drives an interrupt line that it is not wired to here.");
                source.Asserted = state.Asserted;
                _exclusive = state.Exclusive ? source : _exclusive;
            }

            _assertedSources = _sources.Count(source => source.Asserted);
            _asserted = _exclusive?.Asserted ?? _assertedSources > 0;
        }
    }

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

    private sealed class Source(SharedLine line, string name) : IExclusiveInterruptLine
    {
        public string Name { get; } = name;

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

/// <summary>What a source does with its line.</summary>
/// <param name="Name">Name of the source.</param>
/// <param name="Asserted">Whether it asserts the line.</param>
/// <param name="Exclusive">Whether it has the line for itself.</param>
internal readonly record struct LineSource(string Name, bool Asserted, bool Exclusive);
