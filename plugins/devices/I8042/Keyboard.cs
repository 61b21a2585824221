using Vmm.Sdk;

namespace Vmm.Plugins.I8042;

/// <summary>
/// A PS/2 keyboard (IBM PS/2 Hardware Interface Technical Reference, "Keyboard"): its commands. No key is ever pressed;
/// a guest's input is its serial port.
/// </summary>
internal sealed class Keyboard : Ps2Device
{
    private const byte SetIndicators = 0xed;
    private const byte Echo = 0xee;
    private const byte SelectScanCodes = 0xf0;
    private const byte Identify = 0xf2;
    private const byte SetTypematic = 0xf3;
    private const byte Enable = 0xf4;
    private const byte DefaultsAndDisable = 0xf5;
    private const byte Defaults = 0xf6;
    private const byte FirstAllKeys = 0xf7;
    private const byte LastAllKeys = 0xfa;
    private const byte LastOneKey = 0xfd;
    private const byte ResendLast = 0xfe;
    private const byte ResetAndTest = 0xff;

    private byte _scanCodeSet = 2;

    public override void Reset()
    {
        base.Reset();
        _scanCodeSet = 2;
    }

    public override void Write(byte value)
    {
        var command = Expecting;
        Expecting = NoCommand;
        // A byte with the top bit set is a new command, whatever was expected.
        if (command != NoCommand && value < 0x80)
        {
            WriteParameter(command, value);
        }
        else
        {
            WriteCommand(value);
        }
    }

    public override void Save(IStateWriter state)
    {
        base.Save(state);
        state.UInt8(16, _scanCodeSet);
    }

    public override void Restore(IStateReader state)
    {
        base.Restore(state);
        _scanCodeSet = state.UInt8(16, 2);
        if (_scanCodeSet is < 1 or > 3)
        {
            throw new StateException($"i8042: the keyboard has no scan code set {_scanCodeSet}.");
        }
    }

    private void WriteCommand(byte command)
    {
        switch (command)
        {
            case SetIndicators or SelectScanCodes or SetTypematic or (> LastAllKeys and <= LastOneKey):
                Expecting = command;
                Answer(Acknowledge);
                break;
            case Echo:
                Answer(Echo);
                break;
            case Identify:
                Answer(Acknowledge, 0xab, 0x83);
                break;
            case Enable:
                ForgetAnswers();
                Answer(Acknowledge);
                break;
            case Defaults or DefaultsAndDisable:
                Reset();
                Answer(Acknowledge);
                break;
            case >= FirstAllKeys and <= LastAllKeys:
                Answer(Acknowledge);
                break;
            case ResendLast:
                Resend();
                break;
            case ResetAndTest:
                Reset();
                Answer(Acknowledge, SelfTestPassed);
                break;
            default:
                Answer(ResendRequest);
                break;
        }
    }

    private void WriteParameter(byte command, byte value)
    {
        switch (command)
        {
            case SelectScanCodes when value == 0:
                Answer(Acknowledge, _scanCodeSet);
                break;
            case SelectScanCodes when value > 3:
                Answer(ResendRequest);
                break;
            case SelectScanCodes:
                _scanCodeSet = value;
                Answer(Acknowledge);
                break;
            default:
                // Indicators, repeat rate and key types have nothing to act on.
                Answer(Acknowledge);
                break;
        }
    }
}
