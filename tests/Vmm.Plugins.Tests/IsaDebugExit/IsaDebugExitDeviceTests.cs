using Vmm.Plugins.IsaDebugExit;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.IsaDebugExit;

public sealed class IsaDebugExitDeviceTests
{
    private readonly FakeBoard _board = new();

    [Theory]
    [InlineData(0x00, 1)]
    [InlineData(0x10, 0x21)]
    [InlineData(0x7f, 0xff)]
    [InlineData(0x80, 1)]
    public void A_write_of_v_ends_the_vm_with_2v_plus_1(byte value, int status)
    {
        _board.Start(new IsaDebugExitDevice(new IsaDebugExitOptions(), _board, _board.Power));

        _board.Ports.Out8(0xf4, value);

        Assert.Equal(status, _board.Power.ExitStatus);
    }

    [Fact]
    public void Every_width_and_each_of_the_ports_works()
    {
        _board.Start(new IsaDebugExitDevice(new IsaDebugExitOptions { Port = 0x501 }, _board, _board.Power));

        _board.Ports.Out32(0x501, 0xffff_ff03);
        Assert.Equal(7, _board.Power.ExitStatus);
        _board.Ports.Out16(0x503, 0x0002);
        Assert.Equal(5, _board.Power.ExitStatus);
    }

    [Fact]
    public void Reading_does_nothing()
    {
        _board.Start(new IsaDebugExitDevice(new IsaDebugExitOptions(), _board, _board.Power));

        Assert.Equal(0u, _board.Ports.In32(0xf4));
        Assert.Null(_board.Power.ExitStatus);
    }
}
