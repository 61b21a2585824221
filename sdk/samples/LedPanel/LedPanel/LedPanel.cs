using Vmm.Sdk;

[assembly: VmmPlugin("acme.led-panel", Description = "The sample of the SDK: one port, eight LEDs")]

namespace Acme;

/// <summary>Options of the panel: <c>--device acme-led-panel,port=0x2E0</c>.</summary>
public sealed record LedPanelOptions
{
    /// <summary>The port.</summary>
    [OptionDescription("The I/O port of the panel")]
    public ushort Port { get; init; } = 0x2E0;
}

/// <summary>Eight LEDs: what is written to the port shows, and reads back.</summary>
[DeviceModel("acme-led-panel", Description = "Eight LEDs behind one I/O port")]
public sealed class LedPanel(LedPanelOptions options, IDeviceContext context) : DeviceModel, IPortDevice
{
    private byte _leds;
    public override void Attach() => context.Ports.Claim("leds", options.Port, length: 1, AccessWidths.Byte, this);
    public override void Reset(ResetKind kind) => _leds = 0;
    public ulong Read(uint offset, AccessWidth width) => _leds;
    public void Write(uint offset, AccessWidth width, ulong value) => _leds = (byte)value;
    public override void Save(IStateWriter state) => state.UInt8(1, _leds);
    public override void Restore(IStateReader state) => _leds = state.UInt8(1);
}
