namespace Vmm.Sdk.Tests.Devices;

public sealed record LedPanelOptions
{
    public ushort Port { get; init; } = 0x2E0;
}

/// <summary>The example of the design, word for word: what a vendor writes for one port.</summary>
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
