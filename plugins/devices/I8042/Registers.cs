namespace Vmm.Plugins.I8042;

/// <summary>Status register (IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller").</summary>
internal static class Status
{
    public const byte OutputFull = 0x01;
    public const byte SystemFlag = 0x04;
    public const byte LastWriteWasCommand = 0x08;
    public const byte NotInhibited = 0x10;
    public const byte OutputFromAuxiliary = 0x20;
}

/// <summary>The controller command byte: byte 0 of its memory.</summary>
internal static class CommandByte
{
    public const byte KeyboardInterrupt = 0x01;
    public const byte AuxiliaryInterrupt = 0x02;
    public const byte SystemFlag = 0x04;
    public const byte KeyboardDisabled = 0x10;
    public const byte AuxiliaryDisabled = 0x20;
    public const byte Translate = 0x40;
}

/// <summary>The controller's output port.</summary>
internal static class OutputPort
{
    /// <summary>0 holds the machine in reset.</summary>
    public const byte NotReset = 0x01;
    public const byte AddressLine20 = 0x02;
    public const byte KeyboardOutputFull = 0x10;
    public const byte AuxiliaryOutputFull = 0x20;
    public const byte Idle = 0xc0;
}

/// <summary>Commands to the controller. 0x20 to 0x3F and 0x60 to 0x7F read and write its memory.</summary>
internal static class Command
{
    public const byte ReadMemory = 0x20;
    public const byte WriteMemory = 0x60;
    public const byte PasswordInstalled = 0xa4;
    public const byte DisableAuxiliary = 0xa7;
    public const byte EnableAuxiliary = 0xa8;
    public const byte TestAuxiliaryInterface = 0xa9;
    public const byte SelfTest = 0xaa;
    public const byte TestKeyboardInterface = 0xab;
    public const byte DisableKeyboard = 0xad;
    public const byte EnableKeyboard = 0xae;
    public const byte ReadInputPort = 0xc0;
    public const byte ReadOutputPort = 0xd0;
    public const byte WriteOutputPort = 0xd1;
    public const byte WriteKeyboardOutput = 0xd2;
    public const byte WriteAuxiliaryOutput = 0xd3;
    public const byte WriteAuxiliaryDevice = 0xd4;
    public const byte DisableAddressLine20 = 0xdd;
    public const byte EnableAddressLine20 = 0xdf;
    public const byte ReadTestInputs = 0xe0;
    public const byte PulseOutputs = 0xf0;
}
