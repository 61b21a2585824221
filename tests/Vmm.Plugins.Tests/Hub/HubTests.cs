using Vmm.Plugins.Hub;

namespace Vmm.Plugins.Tests.Hub;

public sealed class HubTests
{
    private readonly string _segment = Guid.NewGuid().ToString();

    [Fact]
    public async Task A_frame_reaches_every_other_port_of_its_segment()
    {
        var (a, fromA) = Port(_segment);
        var (b, fromB) = Port(_segment);
        var (c, fromC) = Port(_segment);
        var (_, elsewhere) = Port(_segment + "2");

        Assert.True(a.TrySend("frame"u8));

        Assert.Empty(fromA);
        Assert.Equal("frame"u8.ToArray(), Assert.Single(fromB));
        Assert.Equal("frame"u8.ToArray(), Assert.Single(fromC));
        Assert.Empty(elsewhere);

        await b.DisposeAsync();
        a.TrySend("more"u8);
        Assert.Single(fromB);
        Assert.Equal(2, fromC.Count);
        GC.KeepAlive(c);
    }

    [Fact]
    public void Frames_wait_in_order_for_a_receiver_that_is_full()
    {
        var (a, _) = Port(_segment);
        bool room = false;
        List<byte> received = [];
        var b = new HubBackend(new HubOptions { Segment = _segment });
        b.SetReceiver(frame =>
        {
            if (room)
            {
                received.Add(frame[0]);
            }

            return room;
        });
        for (byte i = 0; i < 3; i++)
        {
            a.TrySend([i]);
        }

        room = true;
        a.TrySend([3]);
        Assert.Empty(received);
        b.ReceiverReady();
        Assert.Equal([0, 1, 2, 3], received);
    }

    [Fact]
    public void A_port_that_never_reads_does_not_stop_the_others()
    {
        var (a, _) = Port(_segment);
        var (_, received) = Port(_segment);
        new HubBackend(new HubOptions { Segment = _segment }).SetReceiver(_ => false);
        for (int i = 0; i < 10_000; i++)
        {
            Assert.True(a.TrySend(new byte[60]));
        }

        Assert.Equal(10_000, received.Count);
    }

    [Fact]
    public void A_frame_that_is_too_long_for_a_port_is_lost_there()
    {
        var (a, _) = Port(_segment, mtu: 9000);
        var (_, small) = Port(_segment);
        var (_, large) = Port(_segment, mtu: 9000);
        a.TrySend(new byte[1515]);
        Assert.Empty(small);
        Assert.Single(large);
    }

    private static (HubBackend Port, List<byte[]> Received) Port(string segment, int mtu = 1500)
    {
        List<byte[]> received = [];
        var port = new HubBackend(new HubOptions { Segment = segment, Mtu = mtu });
        port.SetReceiver(frame =>
        {
            received.Add(frame.ToArray());
            return true;
        });
        return (port, received);
    }
}
