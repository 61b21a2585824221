using Vmm.Sdk;

namespace Vmm.Plugins.PostPort;

/// <summary>Options of the port.</summary>
public sealed class PostPortOptions
{
    /// <summary>The port.</summary>
    [OptionDescription("The I/O port")]
    public ushort Port { get; init; } = 0x80;

    /// <summary>Whether codes are logged.</summary>
    [OptionDescription("Whether each new code is written to the log")]
    public bool Log { get; init; }
}

/// <summary>
/// The latch that firmware writes its progress codes to. Operating systems write to it too, for the delay of a bus
/// cycle, and read back what they wrote.
/// </summary>
[DeviceModel("post-port", Description = "Keeps the last power-on self-test code (port 0x80)")]
public sealed class PostPortDevice(PostPortOptions options, IDeviceContext context) : DeviceModel, IPortDevice
{
    private byte _code;

    public override void Attach() => context.Ports.Claim("post", options.Port, 1, AccessWidths.Byte, this);

    public override void Reset(ResetKind kind) => _code = 0;

    public ulong Read(uint offset, AccessWidth width) => _code;

    public void Write(uint offset, AccessWidth width, ulong value)
    {
        if (options.Log && _code != value)
        {
            context.Log.Write(DeviceLogLevel.Information, $"POST code 0x{value:x2}");
        }

        _code = (byte)value;
    }

    public override void Save(IStateWriter state) => state.UInt8(1, _code);

    public override void Restore(IStateReader state) => _code = state.UInt8(1);
}
