using Vmm.Plugins.VirtioRng;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.VirtioRng;

public sealed class VirtioRngTests
{
    private readonly FakeVirtioTransport _driver = new(new FakeBoard());

    public VirtioRngTests() => _driver.Start(new VirtioRngDevice());

    [Fact]
    public void A_buffer_is_filled_with_bytes_that_do_not_repeat()
    {
        (byte[] first, uint written) = _driver.Request(0, [], 64);
        (byte[] second, _) = _driver.Request(0, [], 64);

        Assert.Equal(64u, written);
        Assert.NotEqual(first, second);
        Assert.True(first.Distinct().Count() > 16);
    }

    [Fact]
    public void A_huge_request_gets_a_bounded_answer()
    {
        RingPart room = new(0, 8 << 20, Writable: true);
        _driver.Ring(0).Add(room, room, room, room);
        _driver.Notify(0);

        Assert.True(_driver.Ring(0).TryTakeUsed(out UsedChain used));
        Assert.Equal(64u * 1024, used.Written);
    }
}
