using Vmm.Sdk;

namespace Vmm.Plugins.Hpet;

/// <summary>The interrupt lines that timers can reach, one source a timer and line.</summary>
internal sealed class HpetLines(int timers)
{
    /// <summary>The line of the 8254, which legacy replacement gives to timer 0.</summary>
    public const int IntervalTimer = 0;

    /// <summary>The line of the real-time clock, which legacy replacement gives to timer 1.</summary>
    public const int RealTimeClock = 8;

    /// <summary>The I/O APIC inputs that every timer can use: 20 to 23, as in the ICH family.</summary>
    public const uint Routes = 0x00f0_0000;

    private readonly Dictionary<int, IInterruptLine>[] _sources = [.. Enumerable.Range(0, timers).Select(_ => new Dictionary<int, IInterruptLine>())];
    private readonly List<IExclusiveInterruptLine> _legacy = [];
    private readonly int?[] _asserted = new int?[timers];

    public void Attach(IInterruptFabric fabric)
    {
        for (int timer = 0; timer < timers; timer++)
        {
            for (int line = 0; line < 32; line++)
            {
                if (((Routes >> line) & 1) != 0)
                {
                    _sources[timer].Add(line, fabric.Line($"timer{timer}", line));
                }
            }
        }

        AttachLegacy(0, IntervalTimer);
        AttachLegacy(1, RealTimeClock);

        void AttachLegacy(int timer, int line)
        {
            var source = fabric.ExclusiveLine($"timer{timer}-legacy", line);
            _legacy.Add(source);
            _sources[timer].Add(line, source);
        }
    }

    /// <summary>
    /// Legacy replacement (IA-PC HPET 1.0a, 2.3.5, LEG_RT_CNF): timers 0 and 1 drive the lines, and the 8254 and the
    /// real-time clock "will not cause any interrupts".
    /// </summary>
    public void ReplaceLegacy(bool replaces)
    {
        foreach (var line in _legacy)
        {
            line.Exclusive = replaces;
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
