using Moq;

namespace Vmm.Sdk.Tests.Devices;

public sealed class DeviceModelTests
{
    [Fact]
    public void The_led_panel_claims_its_port_and_saves_its_leds()
    {
        var ports = new Mock<IPortSpace>();
        IDeviceContext context = Mock.Of<IDeviceContext>(c => c.Ports == ports.Object);
        var panel = new LedPanel(new LedPanelOptions { Port = 0x80 }, context);

        panel.Attach();
        panel.Reset(ResetKind.PowerOn);
        panel.Write(0, AccessWidth.Byte, 0xA5);
        var state = new Mock<IStateWriter>();
        panel.Save(state.Object);

        ports.Verify(p => p.Claim("leds", 0x80, 1, AccessWidths.Byte, panel));
        state.Verify(s => s.UInt8(1, 0xA5, false));
    }
}
