using Vmm.Sdk;

namespace Vmm.Plugins.Pit8254;

/// <summary>An 8254 timer as a PC wires it: counter 0 is an interrupt, counter 2 the speaker.</summary>
[DeviceModel("pit-8254", Description = "8254 interval timer and system control port B")]
public sealed class Pit8254Device : DeviceModel, IPortDevice
{
    private const int ControlWord = 3;

    /// <summary>
    /// Interrupts nearer to each other than this (about 50 µs) become one, as a processor that cannot keep up sees them.
    /// It keeps a guest from making the host run a timer every microsecond.
    /// </summary>
    private const long FewestTicksBetweenInterrupts = 60;

    private readonly Pit8254Options _options;
    private readonly IDeviceContext _context;
    private readonly Counter[] _counters = [new(), new(), new()];
    private readonly SystemControlPortB _controlPort;
    private readonly IInterruptLine _line;
    private readonly IVirtualTimer _timer;

    /// <summary>Makes a timer.</summary>
    /// <param name="options">Where it sits.</param>
    /// <param name="context">The host.</param>
    public Pit8254Device(Pit8254Options options, IDeviceContext context)
    {
        _options = options;
        _context = context;
        _controlPort = new SystemControlPortB(_counters[2], context.Clock);
        _line = context.Interrupts.Line(context.Name, options.Irq);
        _timer = context.Clock.CreateTimer("pit-counter-0", OutputRises);
    }

    private long Now => PitTicks.At(_context.Clock.NowNanoseconds);

    /// <inheritdoc/>
    public override void Attach()
    {
        _context.Ports.Claim("pit", _options.Port, 4, AccessWidths.Byte, this);
        _context.Ports.Claim("system-control-b", _options.ControlPort, 1, AccessWidths.Byte, _controlPort);
    }

    /// <inheritdoc/>
    public override void Reset(ResetKind kind)
    {
        _counters[0].Reset(gate: true);
        _counters[1].Reset(gate: true);
        _counters[2].Reset(gate: false);
        _controlPort.Reset();
        Schedule(Now);
    }

    /// <inheritdoc/>
    public ulong Read(uint offset, AccessWidth width) =>
        offset == ControlWord ? 0xfful : _counters[offset].Read(Now);

    /// <inheritdoc/>
    public void Write(uint offset, AccessWidth width, ulong value)
    {
        var now = Now;
        if (_timer.Deadline <= _context.Clock.NowNanoseconds)
        {
            // The timer is late; arming it anew would lose the interrupt.
            Pulse();
        }

        // The timer reports rises only: the level before the write decides whether the write makes one.
        _line.Set(_counters[0].Output(now));
        if (offset == ControlWord)
        {
            WriteControl((byte)value, now);
        }
        else
        {
            _counters[offset].Write((byte)value, now);
        }

        Schedule(now);
    }

    /// <inheritdoc/>
    public override void Save(IStateWriter state)
    {
        for (var i = 0; i < _counters.Length; i++)
        {
            state.Section(i + 1, _counters[i].Save);
        }

        state.Section(4, _controlPort.Save);
    }

    /// <inheritdoc/>
    public override void Restore(IStateReader state)
    {
        for (var i = 0; i < _counters.Length; i++)
        {
            state.Section(i + 1, _counters[i].Restore);
        }

        state.Section(4, _controlPort.Restore);
        Schedule(Now);
    }

    /// <summary>The control word register (data sheet, "Programming the 8254").</summary>
    private void WriteControl(byte word, long now)
    {
        var selected = word >> 6;
        var access = (word >> 4) & 3;
        if (selected == 3)
        {
            ReadBack(word, now);
        }
        else if (access == 0)
        {
            _counters[selected].LatchCount(now);
        }
        else
        {
            // Modes 6 and 7 are 2 and 3: the upper bit is not decoded for them.
            var mode = (word >> 1) & 7;
            _counters[selected].Program((CounterMode)(mode > 5 ? mode - 4 : mode), (CountAccess)access, (word & 1) != 0, now);
        }
    }

    private void ReadBack(byte word, long now)
    {
        for (var i = 0; i < _counters.Length; i++)
        {
            if ((word & (2 << i)) == 0)
            {
                continue;
            }

            if ((word & 0x20) == 0)
            {
                _counters[i].LatchCount(now);
            }

            if ((word & 0x10) == 0)
            {
                _counters[i].LatchStatus(now);
            }
        }
    }

    private void OutputRises()
    {
        Pulse();
        var now = Now;
        Arm(_counters[0].NextRise(now), earliest: now + FewestTicksBetweenInterrupts);
    }

    private void Pulse()
    {
        _line.Set(false);
        _line.Set(true);
    }

    private void Schedule(long now)
    {
        _line.Set(_counters[0].Output(now));
        Arm(_counters[0].NextRise(now), earliest: now);
    }

    private void Arm(long? rise, long earliest)
    {
        if (rise is { } tick)
        {
            _timer.Arm(PitTicks.Start(Math.Max(tick, earliest)));
        }
        else
        {
            _timer.Cancel();
        }
    }
}
