using Vmm.Sdk;

namespace Vmm.Plugins.Hpet;

/// <summary>The event timer block (IA-PC HPET specification 1.0a): a 100 MHz counter and comparators that interrupt.</summary>
[DeviceModel("hpet", Description = "High-precision event timer")]
public sealed class HpetDevice : DeviceModel, IMmioDevice
{
    private const ulong RegionLength = 1024;
    private const ulong CapabilitiesRegister = 0x000;
    private const ulong ConfigurationRegister = 0x010;
    private const ulong InterruptStatusRegister = 0x020;
    private const ulong MainCounterRegister = 0x0f0;
    private const ulong FirstTimer = 0x100;
    private const ulong TimerStride = 0x20;

    private const uint OverallEnable = 1 << 0;
    private const uint LegacyReplacement = 1 << 1;

    private const ulong FemtosecondsPerTick = MainCounter.NanosecondsPerTick * 1_000_000UL;
    private const uint Revision = 1;
    private const uint Counter64Bit = 1 << 13;
    private const uint LegacyReplacementCapable = 1 << 15;
    private const uint IntelVendor = 0x8086u << 16;

    private readonly HpetOptions _options;
    private readonly IDeviceContext _context;
    private readonly MainCounter _counter;
    private readonly Comparator[] _comparators;
    private readonly IVirtualTimer[] _matches;
    private readonly HpetLines _lines;
    private readonly ulong _capabilities;
    private uint _configuration;
    private uint _status;

    public HpetDevice(HpetOptions options, IDeviceContext context)
    {
        _options = options;
        _context = context;
        _counter = new MainCounter(context.Clock);
        _comparators = [.. Enumerable.Range(0, options.Timers).Select(_ => new Comparator())];
        _matches = [.. Enumerable.Range(0, options.Timers).Select(i => context.Clock.CreateTimer($"timer{i}", () => Match(i)))];
        _lines = new HpetLines(options.Timers);
        _capabilities = (FemtosecondsPerTick << 32) | IntelVendor | LegacyReplacementCapable | Counter64Bit
            | ((uint)(options.Timers - 1) << 8) | Revision;
    }

    public override void Attach()
    {
        if (_options.Address % RegionLength != 0)
        {
            throw new ArgumentException($"The HPET's address is a multiple of {RegionLength}, not 0x{_options.Address:x}.");
        }

        _lines.Attach(_context.Interrupts);
        _context.Mmio.Claim("hpet", _options.Address, RegionLength, AccessWidths.DoubleWord | AccessWidths.QuadWord, this);
    }

    public override void Reset(ResetKind kind)
    {
        _configuration = 0;
        _status = 0;
        _counter.Running = false;
        _counter.Value = 0;
        foreach (var comparator in _comparators)
        {
            comparator.Reset();
        }

        Restart();
    }

    public ulong Read(ulong offset, AccessWidth width) => Read(offset & ~7ul) >> (int)(8 * (offset & 7));

    public void Write(ulong offset, AccessWidth width, ulong value)
    {
        int shift = (int)(8 * (offset & 7));
        ulong written = (width == AccessWidth.QuadWord ? ulong.MaxValue : uint.MaxValue) << shift;
        Write(offset & ~7ul, value << shift, written);
    }

    public override void Save(IStateWriter state)
    {
        state.UInt32(1, _configuration);
        state.UInt32(2, _status);
        state.UInt64(3, _counter.Value);
        for (int i = 0; i < _comparators.Length; i++)
        {
            state.Section(16 + i, _comparators[i].Save);
        }
    }

    public override void Restore(IStateReader state)
    {
        _configuration = state.UInt32(1) & (OverallEnable | LegacyReplacement);
        _status = state.UInt32(2) & (uint)((1ul << _comparators.Length) - 1);
        _counter.Running = false;
        _counter.Value = state.UInt64(3);
        for (int i = 0; i < _comparators.Length; i++)
        {
            state.Section(16 + i, _comparators[i].Restore);
        }

        Restart();
    }

    private ulong Read(ulong register) => register switch
    {
        CapabilitiesRegister => _capabilities,
        ConfigurationRegister => _configuration,
        InterruptStatusRegister => _status,
        MainCounterRegister => _counter.Value,
        _ when TryTimer(register, out int timer, out ulong part) => part switch
        {
            0x00 => _comparators[timer].Configuration,
            0x08 => _comparators[timer].Value,
            _ => 0,
        },
        _ => 0,
    };

    private void Write(ulong register, ulong value, ulong written)
    {
        switch (register)
        {
            case ConfigurationRegister when (written & uint.MaxValue) != 0:
                Configure((uint)value & (OverallEnable | LegacyReplacement));
                break;
            case InterruptStatusRegister:
                _status &= ~(uint)value;
                DriveLines();
                break;
            case MainCounterRegister:
                _counter.Value = (_counter.Value & ~written) | value;
                Restart();
                break;
            case var _ when TryTimer(register, out int timer, out ulong part):
                WriteTimer(timer, part, value, written);
                break;
        }
    }

    private void Configure(uint configuration)
    {
        uint changed = _configuration ^ configuration;
        _configuration = configuration;
        DriveLines();
        if ((changed & OverallEnable) != 0)
        {
            Restart();
        }
    }

    private void WriteTimer(int timer, ulong part, ulong value, ulong written)
    {
        var comparator = _comparators[timer];
        if (part == 0x00)
        {
            comparator.Configuration = (comparator.Configuration & ~written) | value;
            if (!comparator.IsLevelTriggered)
            {
                _status &= ~(1u << timer);
            }

            DriveLine(timer);

            // A width change moves the next match; but a match of this very tick was seen already.
            if (comparator.DistanceFrom(_counter.Value) is > 0 and var distance)
            {
                Arm(timer, distance);
            }
        }
        else if (part == 0x08)
        {
            comparator.WriteValue(value, written);
            Arm(timer, comparator.DistanceFrom(_counter.Value));
        }
    }

    private bool TryTimer(ulong register, out int timer, out ulong part)
    {
        timer = (int)((register - FirstTimer) / TimerStride);
        part = register % TimerStride;
        return register >= FirstTimer && timer < _comparators.Length;
    }

    /// <summary>Starts or stops the counter as configured, and every expiry with it.</summary>
    private void Restart()
    {
        _counter.Running = (_configuration & OverallEnable) != 0;
        for (int timer = 0; timer < _comparators.Length; timer++)
        {
            Arm(timer, _comparators[timer].DistanceFrom(_counter.Value));
        }

        DriveLines();
    }

    private void DriveLines()
    {
        _lines.ReplaceLegacy((_configuration & LegacyReplacement) != 0);
        for (int timer = 0; timer < _comparators.Length; timer++)
        {
            DriveLine(timer);
        }
    }

    private void DriveLine(int timer)
    {
        bool asserted = (_status & (1u << timer)) != 0 && _comparators[timer].InterruptsEnabled && (_configuration & OverallEnable) != 0;
        _lines.Set(timer, Line(timer), asserted);
    }

    private void Arm(int timer, ulong distance)
    {
        if (_counter.Running && _counter.TimeAfter(distance) is { } time)
        {
            _matches[timer].Arm(time);
        }
        else
        {
            _matches[timer].Cancel();
        }
    }

    private void Match(int timer)
    {
        var comparator = _comparators[timer];
        if (comparator.IsLevelTriggered)
        {
            _status |= 1u << timer;
            DriveLine(timer);
        }
        else if (comparator.InterruptsEnabled)
        {
            _lines.Pulse(timer, Line(timer));
        }

        Arm(timer, comparator.Advance(_counter.Value));
    }

    /// <summary>With legacy replacement, timers 0 and 1 take the lines of the 8254 and the real-time clock (2.3.5).</summary>
    private int? Line(int timer) => (_configuration & LegacyReplacement) != 0 && timer < 2
        ? timer == 0 ? HpetLines.IntervalTimer : HpetLines.RealTimeClock
        : _comparators[timer].Input;
}
