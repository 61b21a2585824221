using Vmm.Sdk;

namespace Vmm.Plugins.RtcMc146818;

/// <summary>
/// An MC146818 with 256 bytes of memory. Flags that no enabled interrupt needs are found out when they are read, so an
/// idle clock runs no timer.
/// </summary>
[DeviceModel("rtc-mc146818", Description = "MC146818 real-time clock and CMOS memory")]
public sealed class RtcMc146818Device : DeviceModel
{
    private const int SecondsPerDay = 86_400;

    /// <summary>UIP announces an update this long before it (data sheet, "UIP": 244 µs).</summary>
    private const long UpdateAnnouncement = 244_141;

    private readonly RtcMc146818Options _options;
    private readonly IDeviceContext _context;
    private readonly IBoard _board;
    private readonly byte[] _memory = new byte[CmosMemory.Length];
    private readonly IndexedPorts _standard;
    private readonly IndexedPorts _extended;
    private readonly TimeOfDay _time;
    private readonly IVirtualTimer _periodicTimer;
    private readonly IVirtualTimer _updateTimer;
    private readonly IInterruptLine _line;

    private long _lastCycle;
    private long _lastSecond;

    /// <summary>Makes a clock.</summary>
    /// <param name="options">Where it sits.</param>
    /// <param name="context">The host.</param>
    /// <param name="board">Memory sizes for the CMOS memory.</param>
    public RtcMc146818Device(RtcMc146818Options options, IDeviceContext context, IBoard board)
    {
        _options = options;
        _context = context;
        _board = board;
        _standard = new IndexedPorts(this, bank: 0);
        _extended = new IndexedPorts(this, bank: 128);
        _time = new TimeOfDay(context.Clock);
        _periodicTimer = context.Clock.CreateTimer("rtc-periodic", CatchUpAndSchedule);
        _updateTimer = context.Clock.CreateTimer("rtc-update", CatchUpAndSchedule);
        _line = context.Interrupts.Line(context.Name, options.Irq);
    }

    /// <summary>Whether the guest holds the time still: SET, or the divider chain in reset.</summary>
    private bool Frozen => IsFrozen(_memory[Register.A], _memory[Register.B]);

    /// <inheritdoc/>
    public override void Attach()
    {
        _context.Ports.Claim("rtc", _options.Port, 2, AccessWidths.Byte, _standard);
        _context.Ports.Claim("rtc-extended", _options.ExtendedPort, 2, AccessWidths.Byte, _extended);
    }

    /// <inheritdoc/>
    public override void Reset(ResetKind kind)
    {
        if (kind == ResetKind.PowerOn)
        {
            CmosMemory.Initialize(_memory, _board);
            _time.Reset();
            _standard.Index = 0;
            _extended.Index = 0;
        }

        _memory[Register.B] &= unchecked((byte)~RegisterB.ClearedByReset);
        _memory[Register.C] = 0;
        ForgetUntilNow();
        UpdateLine();
        Schedule();
    }

    /// <inheritdoc/>
    public override void Save(IStateWriter state)
    {
        state.Bytes(1, _memory);
        state.UInt8(2, _standard.Index);
        state.UInt8(3, _extended.Index);
        state.UInt64(4, (ulong)_lastCycle);
        state.UInt64(5, (ulong)_lastSecond);
        state.Section(6, _time.Save);
    }

    /// <inheritdoc/>
    public override void Restore(IStateReader state)
    {
        state.Bytes(1, _memory);
        _memory[Register.A] &= unchecked((byte)~RegisterA.UpdateInProgress);
        _memory[Register.C] &= RegisterC.Flags;
        _standard.Index = (byte)(state.UInt8(2) & 0x7f);
        _extended.Index = (byte)(state.UInt8(3) & 0x7f);
        _lastCycle = (long)state.UInt64(4);
        _lastSecond = (long)state.UInt64(5);
        state.Section(6, _time.Restore);
        UpdateLine();
        Schedule();
    }

    private static bool IsFrozen(byte a, byte b) =>
        (b & RegisterB.Set) != 0 || DividerInReset(a);

    private static bool DividerInReset(byte a) => (a & 0x60) == 0x60;

    private byte Read(int register)
    {
        if (register == Register.A)
        {
            var updating = !Frozen && _time.Fraction >= TimeOfDay.NanosecondsPerSecond - UpdateAnnouncement;
            return (byte)(_memory[Register.A] | (updating ? RegisterA.UpdateInProgress : 0));
        }

        if (register == Register.C)
        {
            CatchUp();
            var flags = _memory[Register.C];
            var requested = (flags & _memory[Register.B] & RegisterC.Flags) != 0;
            _memory[Register.C] = 0;
            UpdateLine();
            Schedule();
            return (byte)(flags | (requested ? RegisterC.InterruptRequest : 0));
        }

        if (register == Register.D)
        {
            return 0x80;
        }

        if (Register.IsTime(register) && !Frozen)
        {
            TimeRegisters.Store(_memory, _time.Seconds);
        }

        return _memory[register];
    }

    private void Write(int register, byte value)
    {
        switch (register)
        {
            case Register.A:
                WriteControl((byte)(value & ~RegisterA.UpdateInProgress), _memory[Register.B]);
                break;
            case Register.B:
                // SET ends the update-ended interrupt (data sheet, "SET").
                WriteControl(_memory[Register.A], (value & RegisterB.Set) != 0 ? (byte)(value & ~RegisterB.UpdateEndedInterrupt) : value);
                break;
            case Register.C or Register.D:
                break;
            case var time when Register.IsTime(time) && !Frozen:
                CatchUp();
                TimeRegisters.Store(_memory, _time.Seconds);
                _memory[time] = value;
                _time.Set(TimeRegisters.Load(_memory));
                _lastSecond = _time.Seconds;
                UpdateLine();
                break;
            case Register.SecondsAlarm or Register.MinutesAlarm or Register.HoursAlarm:
                // What has passed was not compared with the new alarm.
                CatchUp();
                UpdateLine();
                _memory[register] = value;
                break;
            default:
                _memory[register] = value;
                break;
        }
    }

    private void WriteControl(byte a, byte b)
    {
        CatchUp();
        var wasFrozen = Frozen;
        var dividerWasInReset = DividerInReset(_memory[Register.A]);
        if (!wasFrozen && IsFrozen(a, b))
        {
            TimeRegisters.Store(_memory, _time.Seconds);
        }

        _memory[Register.A] = a;
        _memory[Register.B] = b;
        if (dividerWasInReset && !DividerInReset(a))
        {
            // The first update comes half a second after the divider starts (data sheet, "DV2, DV1, DV0").
            _time.Set(TimeRegisters.Load(_memory), TimeOfDay.NanosecondsPerSecond / 2);
        }
        else if (wasFrozen && !Frozen)
        {
            _time.Set(TimeRegisters.Load(_memory));
        }

        ForgetUntilNow();
        UpdateLine();
        Schedule();
    }

    private void CatchUpAndSchedule()
    {
        CatchUp();
        UpdateLine();
        Schedule();
    }

    private void ForgetUntilNow()
    {
        _lastCycle = PeriodicRate.At(_context.Clock.NowNanoseconds);
        _lastSecond = _time.Seconds;
    }

    /// <summary>Sets the flags of everything that happened since the last look.</summary>
    private void CatchUp()
    {
        var cycle = PeriodicRate.At(_context.Clock.NowNanoseconds);
        if (PeriodicRate.Cycles(_memory[Register.A]) is var period and not 0 && cycle / period != _lastCycle / period)
        {
            _memory[Register.C] |= RegisterC.Periodic;
        }

        _lastCycle = cycle;
        var second = _time.Seconds;
        if (!Frozen && second > _lastSecond)
        {
            _memory[Register.C] |= RegisterC.UpdateEnded;
            for (var passed = Math.Max(_lastSecond + 1, second - SecondsPerDay + 1); passed <= second; passed++)
            {
                if (TimeRegisters.AlarmMatches(_memory, (int)(((passed % SecondsPerDay) + SecondsPerDay) % SecondsPerDay)))
                {
                    _memory[Register.C] |= RegisterC.Alarm;
                    break;
                }
            }
        }

        _lastSecond = second;
    }

    private void UpdateLine() => _line.Set((_memory[Register.C] & _memory[Register.B] & RegisterC.Flags) != 0);

    /// <summary>Runs a timer only for an interrupt that is enabled and not pending already.</summary>
    private void Schedule()
    {
        var wanted = _memory[Register.B] & RegisterC.Flags & ~_memory[Register.C];
        var now = _context.Clock.NowNanoseconds;
        if ((wanted & RegisterC.Periodic) != 0 && PeriodicRate.Cycles(_memory[Register.A]) is var period and not 0)
        {
            _periodicTimer.Arm(PeriodicRate.Start(((PeriodicRate.At(now) / period) + 1) * period));
        }
        else
        {
            _periodicTimer.Cancel();
        }

        if ((wanted & (RegisterC.UpdateEnded | RegisterC.Alarm)) != 0 && !Frozen)
        {
            _updateTimer.Arm(now + TimeOfDay.NanosecondsPerSecond - _time.Fraction);
        }
        else
        {
            _updateTimer.Cancel();
        }
    }

    /// <summary>An index port and a data port for one bank of 128 bytes.</summary>
    private sealed class IndexedPorts(RtcMc146818Device clock, int bank) : IPortDevice
    {
        public byte Index { get; set; }

        // The index port of the standard bank carries the NMI mask and cannot be read on a PC.
        public ulong Read(uint offset, AccessWidth width) =>
            offset == 1 ? clock.Read(bank + Index) : bank == 0 ? 0xfful : Index;

        public void Write(uint offset, AccessWidth width, ulong value)
        {
            if (offset == 1)
            {
                clock.Write(bank + Index, (byte)value);
            }
            else
            {
                Index = (byte)(value & 0x7f);
            }
        }
    }
}
