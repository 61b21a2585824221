using Vmm.Plugins.DebugConsole;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.DebugConsole;

public sealed class DebugConsoleDeviceTests
{
    private readonly FakeBoard _board = new();

    public DebugConsoleDeviceTests() => _board.Start(new DebugConsoleDevice(new DebugConsoleOptions(), _board, _board.Channel));

    [Fact]
    public void Bytes_go_to_the_channel_as_they_are()
    {
        foreach (byte value in "POST\n"u8)
        {
            _board.Ports.Out8(0x402, value);
        }

        Assert.Equal("POST\n", _board.Channel.SentText);
    }

    [Fact]
    public void Firmware_finds_it_by_what_it_reads() => Assert.Equal(0xe9, _board.Ports.In8(0x402));

    [Fact]
    public void What_comes_from_outside_vanishes()
    {
        _board.Channel.Receive("x");
        Assert.Equal(0, _board.Channel.Waiting);
    }
}
