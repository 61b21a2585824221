using Vmm.Sdk;

namespace Vmm.Plugins.Pit8254;

/// <summary>
/// One counter of an 8254 (Intel 8254 data sheet, order number 231164). Nothing runs between accesses: output and count
/// are functions of the tick asked about.
/// </summary>
internal sealed class Counter
{
    private const long FurthestTick = 1L << 52;

    private CounterMode _mode;
    private CountAccess _access = CountAccess.Both;
    private bool _bcd;
    private bool _gate = true;

    private bool _counting;
    private int _count = 1;
    private long _start;
    private long _held;
    private ushort _residue;

    private int _register = 1;
    private bool _pending;
    private long _reload;

    private byte _lowByte;
    private bool _writeHigh;
    private bool _readHigh;
    private ushort? _latch;
    private byte? _statusLatch;

    private int Modulus => _bcd ? 10_000 : 65_536;

    private bool Periodic => _mode is CounterMode.RateGenerator or CounterMode.SquareWave;

    private bool GateTriggered => _mode is CounterMode.OneShot or CounterMode.HardwareStrobe;

    /// <summary>The state after power-on: silent until programmed, gate open unless the board closes it.</summary>
    public void Reset(bool gate)
    {
        Program(CounterMode.TerminalCount, CountAccess.Both, bcd: false, now: 0);
        _residue = 0;
        _gate = gate;
        _register = 1;
    }

    /// <summary>A control word that selects a mode.</summary>
    public void Program(CounterMode mode, CountAccess access, bool bcd, long now)
    {
        Stop(now);
        _mode = mode;
        _access = access;
        _bcd = bcd;
        _pending = false;
        _writeHigh = false;
        _readHigh = false;
        _latch = null;
        _statusLatch = null;
    }

    /// <summary>Writes one byte of the count register.</summary>
    public void Write(byte value, long now)
    {
        switch (_access)
        {
            case CountAccess.Low:
                Load(value, now);
                break;
            case CountAccess.High:
                Load(value << 8, now);
                break;
            case CountAccess.Both when _writeHigh:
                _writeHigh = false;
                Load((value << 8) | _lowByte, now);
                break;
            default:
                _writeHigh = true;
                _lowByte = value;
                if (_mode == CounterMode.TerminalCount)
                {
                    // Data sheet, "Mode 0": the first byte disables counting and sets OUT low.
                    Stop(now);
                }

                break;
        }
    }

    public byte Read(long now)
    {
        if (_statusLatch is { } status)
        {
            _statusLatch = null;
            return status;
        }

        var count = _latch ?? Value(now);
        var high = _access == CountAccess.High || (_access == CountAccess.Both && _readHigh);
        _readHigh = _access == CountAccess.Both && !_readHigh;
        if (!_readHigh)
        {
            _latch = null;
        }

        return (byte)(high ? count >> 8 : count);
    }

    /// <summary>Latches the count until it is read; later latch commands are ignored meanwhile.</summary>
    public void LatchCount(long now) => _latch ??= Value(now);

    /// <summary>Latches the status byte of the read-back command.</summary>
    public void LatchStatus(long now)
    {
        Settle(now);
        var nullCount = !_counting || _pending || now < _start;
        _statusLatch ??= (byte)((Output(now) ? 0x80 : 0) | (nullCount ? 0x40 : 0) | ((int)_access << 4) | ((int)_mode << 1) | (_bcd ? 1 : 0));
    }

    /// <summary>The GATE input (data sheet, "Gate Pin Operations Summary").</summary>
    public void SetGate(bool gate, long now)
    {
        if (gate == _gate)
        {
            return;
        }

        Settle(now);
        if (!gate)
        {
            _held = Elapsed(now);
        }

        _gate = gate;
        if (gate && Periodic && _counting)
        {
            Begin(now);
        }
        else if (gate && GateTriggered && (_counting || _pending))
        {
            Begin(now);
        }
        else if (gate)
        {
            _start = now - _held;
        }
    }

    /// <summary>The OUT pin.</summary>
    public bool Output(long now)
    {
        Settle(now);
        var elapsed = Elapsed(now);
        return _mode switch
        {
            CounterMode.TerminalCount => _counting && elapsed >= _count,
            CounterMode.OneShot => !_counting || elapsed >= _count,
            CounterMode.RateGenerator => !_counting || !_gate || elapsed % _count != _count - 1,
            CounterMode.SquareWave => !_counting || !_gate || elapsed % _count < HighTicks(_count),
            _ => !_counting || elapsed != _count,
        };
    }

    /// <summary>The first tick after another at which OUT rises, or null when it will not.</summary>
    public long? NextRise(long after)
    {
        Settle(after);
        if (!_counting || (!_gate && !GateTriggered))
        {
            return null;
        }

        if (!Periodic)
        {
            var strobe = _mode is CounterMode.SoftwareStrobe or CounterMode.HardwareStrobe ? 1 : 0;
            var rise = _start + _count + strobe;
            return rise > after ? rise : null;
        }

        if (_pending)
        {
            return InHighHalf(_reload - 1) ? _reload + LowTicks(_register) : _reload;
        }

        return _start + (((Math.Max(0, after - _start) / _count) + 1) * _count);
    }

    public void Save(IStateWriter state)
    {
        state.UInt8(1, (byte)_mode);
        state.UInt8(2, (byte)_access);
        state.UInt8(3, (byte)((_bcd ? 1 : 0) | (_gate ? 2 : 0) | (_counting ? 4 : 0) | (_pending ? 8 : 0) | (_writeHigh ? 16 : 0) | (_readHigh ? 32 : 0)));
        state.UInt32(4, (uint)_count);
        state.UInt64(5, (ulong)_start);
        state.UInt64(6, (ulong)_held);
        state.UInt16(7, _residue);
        state.UInt32(8, (uint)_register);
        state.UInt64(9, (ulong)_reload);
        state.UInt8(10, _lowByte);
        state.UInt32(11, _latch is { } latch ? 0x10000u | latch : 0);
        state.UInt16(12, _statusLatch is { } status ? (ushort)(0x100 | status) : (ushort)0);
    }

    public void Restore(IStateReader state)
    {
        _mode = (CounterMode)InRange(state.UInt8(1), 0, 5, "mode");
        _access = (CountAccess)InRange(state.UInt8(2, 3), 1, 3, "access");
        var flags = state.UInt8(3, 2);
        _bcd = (flags & 1) != 0;
        _gate = (flags & 2) != 0;
        _counting = (flags & 4) != 0;
        _pending = (flags & 8) != 0;
        _writeHigh = (flags & 16) != 0;
        _readHigh = (flags & 32) != 0;
        var smallest = Periodic ? 2 : 1;
        _count = (int)InRange(state.UInt32(4, 1), _counting ? smallest : 1, Modulus, "count");
        _start = InRange((long)state.UInt64(5), -FurthestTick, FurthestTick, "start");
        _held = InRange((long)state.UInt64(6), 0, FurthestTick, "held count");
        _residue = state.UInt16(7);
        _register = (int)InRange(state.UInt32(8, 1), _pending ? smallest : 1, Modulus, "count register");
        _reload = InRange((long)state.UInt64(9), -FurthestTick, FurthestTick, "reload time");
        _lowByte = state.UInt8(10);
        _latch = state.UInt32(11) is var latch && (latch & 0x10000) != 0 ? (ushort)latch : null;
        _statusLatch = state.UInt16(12) is var status && (status & 0x100) != 0 ? (byte)status : null;
    }

    private static long InRange(long value, long minimum, long maximum, string what) =>
        value >= minimum && value <= maximum ? value : throw new StateException($"8254: {what} {value} is not within {minimum} and {maximum}.");

    private static int HighTicks(int count) => (count + 1) / 2;

    private static int LowTicks(int count) => count / 2;

    private bool InHighHalf(long tick) =>
        _mode == CounterMode.SquareWave && Math.Max(0, tick - _start) % _count < HighTicks(_count);

    private long Elapsed(long now) => !_gate && !GateTriggered ? _held : Math.Max(0, now - _start);

    private void Stop(long now)
    {
        _residue = Value(now);
        _counting = false;
    }

    private void Load(int raw, long now)
    {
        var count = Decode(raw);
        Settle(now);
        if (Periodic)
        {
            // A count of 1 is illegal in these modes (data sheet, "Minimum and Maximum Initial Counts").
            count = Math.Max(count, 2);
        }

        _register = count;
        if (GateTriggered)
        {
            _pending = true;
        }
        else if (Periodic && _counting)
        {
            // The cycle (mode 2) or half-cycle (mode 3) under way ends with the old count.
            if (!_pending && _gate)
            {
                var phase = Math.Max(0, now - _start) % _count;
                var end = InHighHalf(now) ? HighTicks(_count) : _count;
                _reload = Math.Max(now, _start) - phase + end;
            }

            _pending = true;
        }
        else
        {
            Begin(now);
        }
    }

    /// <summary>The clock pulse after a write or trigger moves the count register to the counting element.</summary>
    private void Begin(long now)
    {
        _count = _register;
        _start = now + 1;
        _held = 0;
        _counting = true;
        _pending = false;
    }

    /// <summary>Takes a new count whose turn has come since the last look.</summary>
    private void Settle(long now)
    {
        if (_pending && _counting && Periodic && _gate && now >= _reload)
        {
            _start = InHighHalf(_reload - 1) ? _reload - HighTicks(_register) : _reload;
            _count = _register;
            _pending = false;
        }
    }

    private ushort Value(long now)
    {
        Settle(now);
        return _counting ? Encode(CountAt(Elapsed(now))) : _residue;
    }

    private long CountAt(long elapsed)
    {
        switch (_mode)
        {
            case CounterMode.RateGenerator:
                return _count - (elapsed % _count);
            case CounterMode.SquareWave:
                // Counts down by two in each half, from an even number (data sheet, "Mode 3").
                var phase = elapsed % _count;
                return (_count & ~1) - (2 * (phase < HighTicks(_count) ? phase : phase - HighTicks(_count)));
            default:
                return (((_count - elapsed) % Modulus) + Modulus) % Modulus;
        }
    }

    private int Decode(int raw)
    {
        var count = _bcd ? (((raw >> 12) * 1000) + (((raw >> 8) & 15) * 100) + (((raw >> 4) & 15) * 10) + (raw & 15)) % Modulus : raw;
        return count == 0 ? Modulus : count;
    }

    private ushort Encode(long count)
    {
        var value = (int)(count % Modulus);
        return (ushort)(_bcd ? (value / 1000 << 12) | (value / 100 % 10 << 8) | (value / 10 % 10 << 4) | (value % 10) : value);
    }
}

/// <summary>Counter modes as in the control word.</summary>
internal enum CounterMode : byte
{
    TerminalCount = 0,
    OneShot = 1,
    RateGenerator = 2,
    SquareWave = 3,
    SoftwareStrobe = 4,
    HardwareStrobe = 5,
}

/// <summary>How the count register is read and written, as in the control word.</summary>
internal enum CountAccess : byte
{
    Low = 1,
    High = 2,
    Both = 3,
}
