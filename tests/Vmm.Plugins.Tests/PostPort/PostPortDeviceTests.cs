using Vmm.Plugins.PostPort;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.PostPort;

public sealed class PostPortDeviceTests
{
    private readonly FakeBoard _board = new();

    [Fact]
    public void The_last_code_is_kept()
    {
        _board.Start(new PostPortDevice(new PostPortOptions(), _board));

        _board.Ports.Out8(0x80, 0x12);
        _board.Ports.Out8(0x80, 0xab);

        Assert.Equal(0xab, _board.Ports.In8(0x80));
        Assert.Empty(_board.Log.Entries);
    }

    [Fact]
    public void Each_new_code_is_logged_when_asked_for()
    {
        _board.Start(new PostPortDevice(new PostPortOptions { Log = true, Port = 0x84 }, _board));

        _board.Ports.Out8(0x84, 0x12);
        _board.Ports.Out8(0x84, 0x12);
        _board.Ports.Out8(0x84, 0x0f);

        Assert.Equal(["POST code 0x12", "POST code 0x0f"], _board.Log.Entries.Select(entry => entry.Message));
    }

    [Fact]
    public void The_code_is_saved()
    {
        var device = _board.Start(new PostPortDevice(new PostPortOptions(), _board));
        _board.Ports.Out8(0x80, 0x55);
        var other = new FakeBoard();

        StateRoundTrip.Check(device, other.Start(new PostPortDevice(new PostPortOptions(), other)));

        Assert.Equal(0x55, other.Ports.In8(0x80));
    }
}
