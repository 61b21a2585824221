using Vmm.Sdk;

namespace Vmm.Plugins.Uart16550;

/// <summary>
/// A 16550A (PC16550D data sheet). The transmitter is always ready: bytes leave as they are written, so that output
/// is as fast as the guest. The receiver takes bytes from outside only while it has room, so none is ever lost.
/// </summary>
[DeviceModel("uart-16550", Description = "16550A serial port with FIFOs")]
public sealed class Uart16550Device : DeviceModel, IPortDevice
{
    private const long NanosecondsPerSecond = 1_000_000_000;
    private const long ClockHertz = 1_843_200;

    private readonly Uart16550Options _options;
    private readonly IDeviceContext _context;
    private readonly ICharacterChannel _channel;
    private readonly IVirtualTimer _timeout;
    private readonly IInterruptLine _line;
    private readonly ReceiveFifo _receiver = new();

    private InterruptEnables _enables;
    private LineControls _lineControl;
    private ModemControls _modemControl;
    private LineStatuses _lineErrors;
    private ModemStatuses _modemStatus;
    private ushort _divisor = 1;
    private byte _scratch;
    private bool _transmitterInterrupt;
    private bool _timeoutInterrupt;
    private bool _refusedBytes;

    /// <summary>Makes a serial port.</summary>
    /// <param name="options">Where it sits.</param>
    /// <param name="context">The host.</param>
    /// <param name="channel">The other end of the cable.</param>
    public Uart16550Device(Uart16550Options options, IDeviceContext context, ICharacterChannel channel)
    {
        _options = options;
        _context = context;
        _channel = channel;
        _timeout = context.Clock.CreateTimer("uart-timeout", CharacterTimeout);
        _line = context.Interrupts.Line(context.Name, options.Irq);
    }

    private bool Loopback => (_modemControl & ModemControls.Loopback) != 0;

    private bool DivisorLatch => (_lineControl & LineControls.DivisorLatch) != 0;

    private LineStatuses LineStatus => _lineErrors
        | LineStatuses.TransmitterHoldingEmpty | LineStatuses.TransmitterEmpty
        | (_receiver.IsEmpty ? LineStatuses.None : LineStatuses.DataReady);

    /// <inheritdoc/>
    public override void Attach()
    {
        _context.Ports.Claim("uart", _options.Port, 8, AccessWidths.Byte, this);
        _channel.SetReceiver(Receive);
    }

    /// <inheritdoc/>
    public override void Reset(ResetKind kind)
    {
        _enables = default;
        _lineControl = default;
        _modemControl = default;
        _lineErrors = default;
        _modemStatus = ModemInputs();
        _divisor = 1;
        _transmitterInterrupt = false;
        // The reset input does not reach the scratch register (data sheet, table III).
        _scratch = kind == ResetKind.PowerOn ? (byte)0 : _scratch;
        _receiver.Reset();
        RestartTimeout();
        UpdateLine();
        AskForMore();
    }

    /// <inheritdoc/>
    public ulong Read(uint offset, AccessWidth width)
    {
        switch (offset)
        {
            case Register.Data:
                return DivisorLatch ? (byte)_divisor : ReadData();
            case Register.InterruptEnable:
                return DivisorLatch ? (ulong)(_divisor >> 8) : (byte)_enables;
            case Register.InterruptIdentification:
                return ReadIdentification();
            case Register.LineControl:
                return (byte)_lineControl;
            case Register.ModemControl:
                return (byte)_modemControl;
            case Register.LineStatus:
                var lineStatus = LineStatus;
                _lineErrors = default;
                UpdateLine();
                return (byte)lineStatus;
            case Register.ModemStatus:
                var modemStatus = _modemStatus;
                _modemStatus &= ~ModemStatuses.Deltas;
                UpdateLine();
                return (byte)modemStatus;
            default:
                return _scratch;
        }
    }

    /// <inheritdoc/>
    public void Write(uint offset, AccessWidth width, ulong value)
    {
        var data = (byte)value;
        switch (offset)
        {
            case Register.Data when DivisorLatch:
                _divisor = (ushort)((_divisor & 0xff00) | data);
                break;
            case Register.InterruptEnable when DivisorLatch:
                _divisor = (ushort)((data << 8) | (_divisor & 0x00ff));
                break;
            case Register.Data:
                Transmit(data);
                break;
            case Register.InterruptEnable:
                WriteEnables((InterruptEnables)data & InterruptEnables.All);
                break;
            case Register.InterruptIdentification:
                _receiver.Control(data);
                RestartTimeout();
                UpdateLine();
                AskForMore();
                break;
            case Register.LineControl:
                _lineControl = (LineControls)data;
                break;
            case Register.ModemControl:
                _modemControl = (ModemControls)data & ModemControls.All;
                UpdateModemStatus();
                AskForMore();
                break;
            case Register.Scratch:
                _scratch = data;
                break;
        }
    }

    /// <inheritdoc/>
    public override void Save(IStateWriter state)
    {
        state.UInt8(1, (byte)_enables);
        state.UInt8(2, (byte)_lineControl);
        state.UInt8(3, (byte)_modemControl);
        state.UInt8(4, (byte)_lineErrors);
        state.UInt8(5, (byte)_modemStatus);
        state.UInt16(6, _divisor);
        state.UInt8(7, _scratch);
        state.UInt8(8, (byte)(_transmitterInterrupt ? 1 : 0));
        state.UInt8(9, (byte)(_timeoutInterrupt ? 1 : 0));
        state.UInt64(10, (ulong)(_timeout.Deadline ?? 0));
        state.Section(11, _receiver.Save);
    }

    /// <inheritdoc/>
    public override void Restore(IStateReader state)
    {
        _enables = (InterruptEnables)state.UInt8(1) & InterruptEnables.All;
        _lineControl = (LineControls)state.UInt8(2);
        _modemControl = (ModemControls)state.UInt8(3) & ModemControls.All;
        _lineErrors = (LineStatuses)state.UInt8(4) & LineStatuses.Overrun;
        _modemStatus = (ModemStatuses)state.UInt8(5);
        _divisor = state.UInt16(6, 1);
        _scratch = state.UInt8(7);
        _transmitterInterrupt = state.UInt8(8) != 0;
        _timeoutInterrupt = state.UInt8(9) != 0;
        _timeout.Cancel();
        if (state.UInt64(10) is var deadline and not 0)
        {
            _timeout.Arm((long)Math.Min(deadline, long.MaxValue));
        }

        state.Section(11, _receiver.Restore);
        UpdateLine();
        _refusedBytes = true;
        AskForMore();
    }

    private byte ReadData()
    {
        var value = _receiver.Take();
        RestartTimeout();
        UpdateLine();
        if (_receiver.IsEmpty)
        {
            AskForMore();
        }

        return value;
    }

    private void Transmit(byte data)
    {
        if (Loopback)
        {
            if (_receiver.Add([data]) == 0)
            {
                _lineErrors |= LineStatuses.Overrun;
            }

            ByteArrived();
        }
        else
        {
            _channel.Send([data]);
        }

        // The write ends the interrupt and the byte's departure raises it anew: an edge for edge-triggered controllers.
        _transmitterInterrupt = false;
        UpdateLine();
        _transmitterInterrupt = true;
        UpdateLine();
    }

    private void WriteEnables(InterruptEnables enables)
    {
        // Enabling the interrupt while the holding register is empty raises it; drivers start output that way.
        _transmitterInterrupt |= (enables & ~_enables & InterruptEnables.TransmitterEmpty) != 0;
        _enables = enables;
        UpdateLine();
    }

    private ulong ReadIdentification()
    {
        var identification = Identify();
        if (identification == InterruptIdentification.TransmitterEmpty)
        {
            _transmitterInterrupt = false;
            UpdateLine();
        }

        return (ulong)identification | (_receiver.Enabled ? 0xc0u : 0u);
    }

    private InterruptIdentification Identify()
    {
        if ((_enables & InterruptEnables.LineStatus) != 0 && _lineErrors != 0)
        {
            return InterruptIdentification.LineStatus;
        }

        if ((_enables & InterruptEnables.ReceivedData) != 0 && (_receiver.TriggerReached || _timeoutInterrupt))
        {
            return _receiver.TriggerReached ? InterruptIdentification.ReceivedData : InterruptIdentification.CharacterTimeout;
        }

        if ((_enables & InterruptEnables.TransmitterEmpty) != 0 && _transmitterInterrupt)
        {
            return InterruptIdentification.TransmitterEmpty;
        }

        return (_enables & InterruptEnables.ModemStatus) != 0 && (_modemStatus & ModemStatuses.Deltas) != 0
            ? InterruptIdentification.ModemStatus
            : InterruptIdentification.None;
    }

    // PC boards gate the line with OUT2, others do not; guests that forget OUT2 work on the latter, and none need the gate.
    private void UpdateLine() => _line.Set(Identify() != InterruptIdentification.None);

    private int Receive(ReadOnlySpan<byte> data)
    {
        // In loopback the serial input is disconnected; outside waits rather than losing bytes.
        var accepted = Loopback ? 0 : _receiver.Add(data);
        _refusedBytes = accepted < data.Length;
        if (accepted > 0)
        {
            ByteArrived();
            UpdateLine();
        }

        return accepted;
    }

    private void AskForMore()
    {
        if (_refusedBytes && !Loopback && _receiver.Room > 0)
        {
            _refusedBytes = false;
            _channel.ReceiverReady();
        }
    }

    private void ByteArrived()
    {
        // Only a read ends a timeout that was signalled already.
        if (!_timeoutInterrupt)
        {
            RestartTimeout();
        }
    }

    private void CharacterTimeout()
    {
        _timeoutInterrupt = _receiver.Enabled && !_receiver.IsEmpty;
        UpdateLine();
    }

    /// <summary>The timeout counts four character times from the last movement of the FIFO (data sheet, "FIFO Interrupt Mode Operation").</summary>
    private void RestartTimeout()
    {
        _timeoutInterrupt = false;
        if (!_receiver.Enabled || _receiver.IsEmpty)
        {
            _timeout.Cancel();
            return;
        }

        var bits = 1 + 5 + (int)(_lineControl & LineControls.WordLength)
            + ((_lineControl & LineControls.Parity) != 0 ? 1 : 0)
            + ((_lineControl & LineControls.StopBits) != 0 ? 2 : 1);
        var nanoseconds = 4L * bits * 16 * Math.Max(_divisor, (ushort)1) * NanosecondsPerSecond / ClockHertz;
        _timeout.Arm(_context.Clock.NowNanoseconds + nanoseconds);
    }

    private ModemStatuses ModemInputs()
    {
        if (!Loopback)
        {
            return ModemStatuses.ClearToSend | ModemStatuses.DataSetReady | ModemStatuses.CarrierDetect;
        }

        return Wire(ModemControls.RequestToSend, ModemStatuses.ClearToSend)
            | Wire(ModemControls.DataTerminalReady, ModemStatuses.DataSetReady)
            | Wire(ModemControls.Out1, ModemStatuses.Ring)
            | Wire(ModemControls.Out2, ModemStatuses.CarrierDetect);

        ModemStatuses Wire(ModemControls output, ModemStatuses input) => (_modemControl & output) != 0 ? input : ModemStatuses.None;
    }

    private void UpdateModemStatus()
    {
        var inputs = ModemInputs();
        var changed = (byte)(inputs ^ _modemStatus);
        // Each delta bit stands four below its input; the ring indicator counts only its trailing edge.
        var deltas = (ModemStatuses)(changed >> 4) & ~((inputs & ModemStatuses.Ring) != 0 ? ModemStatuses.TrailingRing : ModemStatuses.None);
        _modemStatus = inputs | (_modemStatus & ModemStatuses.Deltas) | deltas;
        UpdateLine();
    }
}
