using Vmm.Plugins.CoprocessorError;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.CoprocessorError;

public sealed class CoprocessorErrorDeviceTests
{
    private readonly FakeBoard _board = new();
    private readonly CoprocessorErrorDevice _device;

    public CoprocessorErrorDeviceTests() => _device = _board.Start(new CoprocessorErrorDevice(_board, _board.FloatingPointErrorPin));

    [Theory]
    [InlineData(0xF0)]
    [InlineData(0xF1)]
    public void An_error_asserts_IRQ_13_until_a_port_is_written(ushort port)
    {
        Assert.False(_board.Interrupts[13].Asserted);
        _board.FloatingPointErrorPin.Assert();
        Assert.True(_board.Interrupts[13].Asserted);
        _board.Ports.Out8(port, 0);
        Assert.False(_board.Interrupts[13].Asserted);
    }

    [Fact]
    public void A_reset_clears_the_latch()
    {
        _board.FloatingPointErrorPin.Assert();
        _device.Reset(ResetKind.System);
        Assert.False(_board.Interrupts[13].Asserted);
    }
}
