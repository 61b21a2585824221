using Vmm.Sdk;

namespace Vmm.Plugins.I8042;

/// <summary>A PS/2 mouse with three buttons (IBM PS/2 Hardware Interface Technical Reference, "Mouse"): its commands. It never moves.</summary>
internal sealed class Mouse : Ps2Device
{
    private const byte Scale1To1 = 0xe6;
    private const byte Scale2To1 = 0xe7;
    private const byte SetResolution = 0xe8;
    private const byte StatusRequest = 0xe9;
    private const byte StreamMode = 0xea;
    private const byte ReadData = 0xeb;
    private const byte LeaveWrapMode = 0xec;
    private const byte WrapMode = 0xee;
    private const byte RemoteMode = 0xf0;
    private const byte Identify = 0xf2;
    private const byte SetSampleRate = 0xf3;
    private const byte Enable = 0xf4;
    private const byte Disable = 0xf5;
    private const byte Defaults = 0xf6;
    private const byte ResendLast = 0xfe;
    private const byte ResetAndTest = 0xff;

    private const byte RemoteBit = 0x40;
    private const byte EnabledBit = 0x20;
    private const byte Scale2To1Bit = 0x10;

    /// <summary>A packet without movement: no button, and the bit that is always set.</summary>
    private static ReadOnlySpan<byte> IdlePacket => [0x08, 0x00, 0x00];

    private byte _modes;
    private byte _resolution = 2;
    private byte _sampleRate = 100;
    private bool _wrap;

    public override void Reset()
    {
        base.Reset();
        _modes = 0;
        _resolution = 2;
        _sampleRate = 100;
        _wrap = false;
    }

    public override void Write(byte value)
    {
        if (_wrap && value is not (ResetAndTest or LeaveWrapMode))
        {
            Answer(value);
        }
        else if (Expecting != NoCommand)
        {
            WriteParameter(Expecting, value);
            Expecting = NoCommand;
        }
        else
        {
            WriteCommand(value);
        }
    }

    public override void Save(IStateWriter state)
    {
        base.Save(state);
        state.UInt8(16, _modes);
        state.UInt8(17, _resolution);
        state.UInt8(18, _sampleRate);
        state.UInt8(19, (byte)(_wrap ? 1 : 0));
    }

    public override void Restore(IStateReader state)
    {
        base.Restore(state);
        _modes = (byte)(state.UInt8(16) & (RemoteBit | EnabledBit | Scale2To1Bit));
        _resolution = state.UInt8(17, 2);
        _sampleRate = state.UInt8(18, 100);
        _wrap = state.UInt8(19) != 0;
    }

    private void WriteCommand(byte command)
    {
        switch (command)
        {
            case Scale1To1:
                SetMode(Scale2To1Bit, on: false);
                break;
            case Scale2To1:
                SetMode(Scale2To1Bit, on: true);
                break;
            case SetResolution or SetSampleRate:
                Expecting = command;
                Answer(Acknowledge);
                break;
            case StatusRequest:
                Answer(Acknowledge, _modes, _resolution, _sampleRate);
                break;
            case StreamMode:
                SetMode(RemoteBit, on: false);
                break;
            case RemoteMode:
                SetMode(RemoteBit, on: true);
                break;
            case ReadData:
                Answer(Acknowledge);
                Answer(IdlePacket);
                break;
            case WrapMode or LeaveWrapMode:
                _wrap = command == WrapMode;
                Answer(Acknowledge);
                break;
            case Identify:
                Answer(Acknowledge, 0x00);
                break;
            case Enable:
                SetMode(EnabledBit, on: true);
                break;
            case Disable:
                SetMode(EnabledBit, on: false);
                break;
            case Defaults:
                Reset();
                Answer(Acknowledge);
                break;
            case ResendLast:
                Resend();
                break;
            case ResetAndTest:
                Reset();
                Answer(Acknowledge, SelfTestPassed, 0x00);
                break;
            default:
                Answer(ResendRequest);
                break;
        }
    }

    private void WriteParameter(byte command, byte value)
    {
        if (command == SetSampleRate)
        {
            _sampleRate = value;
        }
        else
        {
            _resolution = value;
        }

        Answer(Acknowledge);
    }

    private void SetMode(byte bit, bool on)
    {
        _modes = (byte)(on ? _modes | bit : _modes & ~bit);
        Answer(Acknowledge);
    }
}
