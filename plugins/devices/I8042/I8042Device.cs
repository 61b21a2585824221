using Vmm.Sdk;

namespace Vmm.Plugins.I8042;

/// <summary>
/// The keyboard controller of a PC with a PS/2 keyboard and mouse (IBM PS/2 Hardware Interface Technical Reference,
/// "Keyboard and Auxiliary Device Controller"). It takes bytes at once, so the input buffer is never full.
/// </summary>
[DeviceModel("i8042", Description = "Keyboard controller with PS/2 keyboard, mouse, reset line and A20 gate")]
public sealed class I8042Device : DeviceModel
{
    private const byte SelfTestPassed = 0x55;
    private const byte NoPassword = 0xf1;
    private const byte InterfaceWorks = 0x00;
    private const byte KeyboardNotLocked = 0x80;
    private const byte NoCommand = 0;

    private readonly I8042Options _options;
    private readonly IDeviceContext _context;
    private readonly IPowerControl _power;
    private readonly IAddressLine20 _addressLine20;
    private readonly IInterruptLine _keyboardLine;
    private readonly IInterruptLine _mouseLine;
    private readonly Keyboard _keyboard = new();
    private readonly Mouse _mouse = new();
    private readonly OutputBuffer _output = new();
    private readonly byte[] _memory = new byte[32];
    private byte _expecting;
    private bool _lastWriteWasCommand;

    /// <summary>Makes a controller.</summary>
    /// <param name="options">Where it sits.</param>
    /// <param name="context">The host.</param>
    /// <param name="power">The reset line.</param>
    /// <param name="addressLine20">The A20 gate.</param>
    public I8042Device(I8042Options options, IDeviceContext context, IPowerControl power, IAddressLine20 addressLine20)
    {
        _options = options;
        _context = context;
        _power = power;
        _addressLine20 = addressLine20;
        _keyboardLine = context.Interrupts.Line($"{context.Name}-keyboard", options.Irq);
        _mouseLine = context.Interrupts.Line($"{context.Name}-mouse", options.MouseIrq);
    }

    /// <inheritdoc/>
    public override void Attach()
    {
        _context.Ports.Claim("i8042-data", _options.Port, 1, AccessWidths.Byte, new DataPort(this));
        _context.Ports.Claim("i8042-command", _options.CommandPort, 1, AccessWidths.Byte, new CommandPort(this));
    }

    /// <inheritdoc/>
    public override void Reset(ResetKind kind)
    {
        Array.Clear(_memory);
        // As firmware leaves it, for guests that are started without any.
        _memory[0] = CommandByte.KeyboardInterrupt | CommandByte.SystemFlag | CommandByte.Translate;
        _expecting = NoCommand;
        _lastWriteWasCommand = false;
        _output.Reset();
        _keyboard.Reset();
        _mouse.Reset();
        _addressLine20.Enabled = true;
        Update();
    }

    /// <inheritdoc/>
    public override void Save(IStateWriter state)
    {
        state.Bytes(1, _memory);
        state.UInt8(2, _expecting);
        state.UInt8(3, (byte)(_lastWriteWasCommand ? 1 : 0));
        state.Section(4, _output.Save);
        state.Section(5, _keyboard.Save);
        state.Section(6, _mouse.Save);
    }

    /// <inheritdoc/>
    public override void Restore(IStateReader state)
    {
        state.Bytes(1, _memory);
        _expecting = state.UInt8(2);
        _lastWriteWasCommand = state.UInt8(3) != 0;
        state.Section(4, _output.Restore);
        state.Section(5, _keyboard.Restore);
        state.Section(6, _mouse.Restore);
        Update();
    }

    private bool Is(byte commandByteBit) => (_memory[0] & commandByteBit) != 0;

    private void Set(byte commandByteBit, bool on) =>
        _memory[0] = (byte)(on ? _memory[0] | commandByteBit : _memory[0] & ~commandByteBit);

    private byte ReadData()
    {
        var value = _output.Take();
        // The lines fall before the next byte raises them: each byte is an edge of its own.
        UpdateLines();
        Update();
        return value;
    }

    private byte ReadStatus() => (byte)(
        (_output.IsFull ? Status.OutputFull : 0)
        | (Is(CommandByte.SystemFlag) ? Status.SystemFlag : 0)
        | (_lastWriteWasCommand ? Status.LastWriteWasCommand : 0)
        | Status.NotInhibited
        | (_output is { IsFull: true, IsAuxiliary: true } ? Status.OutputFromAuxiliary : 0));

    private void WriteData(byte value)
    {
        _lastWriteWasCommand = false;
        var command = _expecting;
        _expecting = NoCommand;
        switch (command)
        {
            case >= Command.WriteMemory and < Command.WriteMemory + 32:
                _memory[command - Command.WriteMemory] = value;
                break;
            case Command.WriteOutputPort:
                WriteOutputPort(value);
                break;
            case Command.WriteKeyboardOutput:
                _output.Put(value, auxiliary: false);
                break;
            case Command.WriteAuxiliaryOutput:
                _output.Put(value, auxiliary: true);
                break;
            case Command.WriteAuxiliaryDevice:
                Set(CommandByte.AuxiliaryDisabled, false);
                _mouse.Write(value);
                break;
            default:
                // A byte for the keyboard enables its interface.
                Set(CommandByte.KeyboardDisabled, false);
                _keyboard.Write(value);
                break;
        }

        Update();
    }

    private void WriteCommand(byte command)
    {
        _lastWriteWasCommand = true;
        _expecting = NoCommand;
        switch (command)
        {
            case >= Command.ReadMemory and < Command.ReadMemory + 32:
                Answer(_memory[command - Command.ReadMemory]);
                break;
            case (>= Command.WriteMemory and < Command.WriteMemory + 32)
                or (>= Command.WriteOutputPort and <= Command.WriteAuxiliaryDevice):
                _expecting = command;
                break;
            case Command.PasswordInstalled:
                Answer(NoPassword);
                break;
            case Command.DisableAuxiliary or Command.EnableAuxiliary:
                Set(CommandByte.AuxiliaryDisabled, command == Command.DisableAuxiliary);
                break;
            case Command.DisableKeyboard or Command.EnableKeyboard:
                Set(CommandByte.KeyboardDisabled, command == Command.DisableKeyboard);
                break;
            case Command.SelfTest:
                Set(CommandByte.SystemFlag, true);
                Answer(SelfTestPassed);
                break;
            case Command.TestAuxiliaryInterface or Command.TestKeyboardInterface:
                Answer(InterfaceWorks);
                break;
            case Command.ReadInputPort:
                Answer(KeyboardNotLocked);
                break;
            case Command.ReadOutputPort:
                Answer(ReadOutputPort());
                break;
            case Command.DisableAddressLine20 or Command.EnableAddressLine20:
                _addressLine20.Enabled = command == Command.EnableAddressLine20;
                break;
            case Command.ReadTestInputs:
                Answer(0);
                break;
            case >= Command.PulseOutputs when (command & OutputPort.NotReset) == 0:
                _power.Reset();
                break;
        }

        Update();
    }

    private byte ReadOutputPort() => (byte)(
        OutputPort.Idle
        | OutputPort.NotReset
        | (_addressLine20.Enabled ? OutputPort.AddressLine20 : 0)
        | (_output switch
        {
            { IsFull: false } => 0,
            { IsAuxiliary: true } => OutputPort.AuxiliaryOutputFull,
            _ => OutputPort.KeyboardOutputFull,
        }));

    private void WriteOutputPort(byte value)
    {
        _addressLine20.Enabled = (value & OutputPort.AddressLine20) != 0;
        if ((value & OutputPort.NotReset) == 0)
        {
            _power.Reset();
        }
    }

    private void Answer(byte value) => _output.Put(value, auxiliary: false);

    /// <summary>Moves the next byte to the output buffer when it is free, and sets the lines.</summary>
    private void Update()
    {
        _output.Advance();
        if (_output.IsFree && !Is(CommandByte.KeyboardDisabled) && _keyboard.TryTake(out var scanCode))
        {
            _output.Put(Is(CommandByte.Translate) ? ScanCodeTranslation.Translate(scanCode) : scanCode, auxiliary: false);
        }

        if (_output.IsFree && !Is(CommandByte.AuxiliaryDisabled) && _mouse.TryTake(out var data))
        {
            _output.Put(data, auxiliary: true);
        }

        UpdateLines();
    }

    private void UpdateLines()
    {
        _keyboardLine.Set(_output is { IsFull: true, IsAuxiliary: false } && Is(CommandByte.KeyboardInterrupt));
        _mouseLine.Set(_output is { IsFull: true, IsAuxiliary: true } && Is(CommandByte.AuxiliaryInterrupt));
    }

    private sealed class DataPort(I8042Device controller) : IPortDevice
    {
        public ulong Read(uint offset, AccessWidth width) => controller.ReadData();

        public void Write(uint offset, AccessWidth width, ulong value) => controller.WriteData((byte)value);
    }

    private sealed class CommandPort(I8042Device controller) : IPortDevice
    {
        public ulong Read(uint offset, AccessWidth width) => controller.ReadStatus();

        public void Write(uint offset, AccessWidth width, ulong value) => controller.WriteCommand((byte)value);
    }
}
