using Vmm.Sdk;

namespace Vmm.Plugins.Hpet;

/// <summary>The interrupt lines that timers can reach, one source a timer and line.</summary>
internal sealed class HpetLines(int timers)
{
    private static readonly int[] Reachable = [0, 8, 20, 21, 22, 23];

    private readonly Dictionary<int, IInterruptLine>[] _sources = [.. Enumerable.Range(0, timers).Select(_ => new Dictionary<int, IInterruptLine>())];
    private readonly int?[] _asserted = new int?[timers];

    public void Attach(IInterruptFabric fabric)
    {
        for (int timer = 0; timer < timers; timer++)
        {
            foreach (int line in Reachable)
            {
                _sources[timer].Add(line, fabric.Line($"timer{timer}", line));
            }
        }
    }

    /// <summary>Gives a timer's line its level; a line that the timer asserted before and left is released.</summary>
    public void Set(int timer, int? line, bool asserted)
    {
        int? target = asserted ? line : null;
        if (_asserted[timer] is { } old && old != target)
        {
            _sources[timer][old].Set(false);
        }

        if (target is { } now && now != _asserted[timer])
        {
            _sources[timer][now].Set(true);
        }

        _asserted[timer] = target;
    }

    /// <summary>Gives a rising edge.</summary>
    public void Pulse(int timer, int? line)
    {
        if (line is { } number)
        {
            _sources[timer][number].Set(true);
            _sources[timer][number].Set(false);
        }
    }
}
