namespace Vmm.Kernel;

/// <summary>A line that is asserted while any of its sources is. Changes are reported in their order.</summary>
internal sealed class SharedLine(Action<bool> changed)
{
    private readonly Lock _lock = new();
    private int _assertedSources;

    public bool Asserted => Volatile.Read(ref _assertedSources) > 0;

    public IInterruptLine AddSource() => new Source(this);

    private void Change(ref bool current, bool asserted)
    {
        lock (_lock)
        {
            if (current == asserted)
            {
                return;
            }

            current = asserted;
            bool before = _assertedSources > 0;
            _assertedSources += asserted ? 1 : -1;
            if (before != _assertedSources > 0)
            {
                changed(!before);
            }
        }
    }

    private sealed class Source(SharedLine line) : IInterruptLine
    {
        private bool _asserted;

        public void Set(bool asserted) => line.Change(ref _asserted, asserted);
    }
}
