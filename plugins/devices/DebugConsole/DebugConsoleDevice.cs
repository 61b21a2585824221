using Vmm.Sdk;

namespace Vmm.Plugins.DebugConsole;

/// <summary>Options of the port.</summary>
public sealed class DebugConsoleOptions
{
    /// <summary>The port: 0x402 is where SeaBIOS and OVMF look, 0xe9 is that of Bochs.</summary>
    [OptionDescription("The I/O port")]
    public ushort Port { get; init; } = 0x402;
}

/// <summary>
/// A port whose bytes go to a character channel as they are, without a line between them that could be slow or off.
/// It reads as 0xe9, by which firmware knows that somebody listens.
/// </summary>
[DeviceModel("debug-console", Description = "Sends what firmware logs to a channel (port 0x402)")]
public sealed class DebugConsoleDevice(DebugConsoleOptions options, IDeviceContext context, ICharacterChannel channel) : DeviceModel, IPortDevice
{
    private const byte Present = 0xe9;

    public override void Attach()
    {
        context.Ports.Claim("debug-console", options.Port, 1, AccessWidths.Byte, this);
        channel.SetReceiver(data => data.Length); // nothing can be received
    }

    public ulong Read(uint offset, AccessWidth width) => Present;

    public void Write(uint offset, AccessWidth width, ulong value) => channel.Send([(byte)value]);
}
