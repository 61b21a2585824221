using Vmm.Plugins.VirtioNet;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.VirtioNet;

/// <summary>A network device as VIRTIO 1.2, 5.1, describes it.</summary>
public sealed class VirtioNetTests
{
    private const int Receive = 0, Transmit = 1, Header = 12;

    private readonly FakeBoard _board = new();
    private readonly FakeVirtioTransport _driver;
    private readonly Wire _wire = new();

    public VirtioNetTests() => _driver = new FakeVirtioTransport(_board);

    [Fact]
    public void The_configuration_has_address_link_and_mtu()
    {
        VirtioNetDevice device = Start("52:54:00:12:34:56");
        byte[] configuration = [.. Enumerable.Range(0, 12).Select(i => (byte)device.ReadConfiguration((uint)i, AccessWidth.Byte))];
        Assert.Equal([0x52, 0x54, 0, 0x12, 0x34, 0x56, 1, 0, 1, 0, 0xDC, 0x05], configuration);
    }

    [Fact]
    public void Without_an_address_each_device_gets_its_own()
    {
        uint[] ends = [.. Enumerable.Range(0, 8).Select(_ => (uint)Make("").ReadConfiguration(2, AccessWidth.DoubleWord))];
        Assert.Equal(ends.Length, ends.Distinct().Count());
        Assert.Equal(0x5452u, Make("").ReadConfiguration(0, AccessWidth.Word));
    }

    [Theory]
    [InlineData("52:54:00:12:34")]
    [InlineData("52:54:00:12:34:5g")]
    [InlineData("01:00:5e:00:00:01")]
    public void What_is_no_address_of_one_device_is_refused(string address) => Assert.Throws<OptionException>(() => Make(address));

    [Fact]
    public void A_frame_goes_out_without_its_header()
    {
        Start();
        Send(Frame(60));
        Assert.Equal(Frame(60), Assert.Single(_wire.Sent));
    }

    [Fact]
    public void Frames_that_are_too_short_or_too_long_are_not_sent()
    {
        Start();
        Send(Frame(13));
        Send(Frame(1515));
        Send([]);
        _driver.Request(Transmit, new byte[5], 0);
        Assert.Empty(_wire.Sent);
    }

    [Fact]
    public void A_frame_comes_in_behind_a_header_that_counts_one_buffer()
    {
        Start();
        RingPart room = _driver.Room(1526);
        _driver.Ring(Receive).Add(room);
        _driver.Notify(Receive);
        Assert.True(_wire.Receiver!(Frame(100)));
        _board.RunPosted();
        Assert.True(_driver.Ring(Receive).TryTakeUsed(out UsedChain used));
        Assert.Equal(112u, used.Written);
        Assert.Equal([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, .. Frame(100)], _driver.Content(room)[..112]);
    }

    [Fact]
    public void Frames_wait_until_the_driver_has_buffers_and_keep_their_order()
    {
        Start();
        for (int i = 0; i < 10; i++)
        {
            Assert.True(_wire.Receiver!(Frame(60 + i)));
        }

        _board.RunPosted();
        for (int i = 0; i < 10; i++)
        {
            _driver.Ring(Receive).Add(_driver.Room(1526));
        }

        _driver.Notify(Receive);
        for (int i = 0; i < 10; i++)
        {
            Assert.True(_driver.Ring(Receive).TryTakeUsed(out UsedChain used));
            Assert.Equal((uint)(Header + 60 + i), used.Written);
        }
    }

    [Fact]
    public void A_device_with_no_room_refuses_frames_and_says_when_it_has()
    {
        Start();
        int taken = 0;
        while (_wire.Receiver!(Frame(60)))
        {
            taken++;
        }

        Assert.Equal(256, taken);
        _driver.Ring(Receive).Add(_driver.Room(1526));
        _driver.Notify(Receive);
        Assert.Equal(1, _wire.Ready);
    }

    [Fact]
    public void A_buffer_that_is_too_small_loses_its_frame()
    {
        Start();
        _driver.Ring(Receive).Add(_driver.Room(20));
        _wire.Receiver!(Frame(60));
        _board.RunPosted();
        Assert.True(_driver.Ring(Receive).TryTakeUsed(out UsedChain used));
        Assert.Equal(0u, used.Written);
    }

    [Fact]
    public void A_backend_without_room_gets_the_frame_again()
    {
        Start();
        _wire.Room = false;
        _driver.Ring(Transmit).Add(_driver.Place([.. new byte[Header], .. Frame(60)]));
        _driver.Notify(Transmit);
        Assert.False(_driver.Ring(Transmit).TryTakeUsed(out _));
        _wire.Room = true;
        _wire.RaiseRoomAvailable();
        _board.RunPosted();
        Assert.True(_driver.Ring(Transmit).TryTakeUsed(out _));
        Assert.Equal(Frame(60), Assert.Single(_wire.Sent));
    }

    [Fact]
    public void A_reset_gives_everything_back_and_frames_are_lost_meanwhile()
    {
        VirtioNetDevice device = Start();
        _wire.Room = false;
        _driver.Ring(Transmit).Add(_driver.Place([.. new byte[Header], .. Frame(60)]));
        _driver.Notify(Transmit);
        _driver.Reset();
        Assert.Equal(0, _driver.Outstanding(Transmit));
        Assert.True(_wire.Receiver!(Frame(60)));
        _driver.Resume(device);
        _driver.Ring(Receive).Add(_driver.Room(1526));
        _driver.Notify(Receive);
        _board.RunPosted();
        Assert.False(_driver.Ring(Receive).TryTakeUsed(out _));
    }

    [Fact]
    public void The_address_goes_with_the_saved_machine()
    {
        VirtioNetDevice device = Make("52:54:00:00:00:99"), other = Make("");
        StateRecord.Save(device).Restore(other);
        Assert.Equal(0x99u, other.ReadConfiguration(5, AccessWidth.Byte));
    }

    private static byte[] Frame(int length) => [.. Enumerable.Range(0, length).Select(i => (byte)(i + length))];

    private VirtioNetDevice Make(string mac) => new(new VirtioNetOptions { Mac = mac }, new FakeOptions(), _board, _wire);

    private VirtioNetDevice Start(string mac = "") => _driver.Start(Make(mac));

    private void Send(byte[] frame) => _driver.Request(Transmit, [.. new byte[Header], .. frame], 0);

    private sealed class Wire : INetworkBackend
    {
        public event Action RoomAvailable = () => { };

        public List<byte[]> Sent { get; } = [];

        public FrameReceiver? Receiver { get; private set; }

        public bool Room { get; set; } = true;

        public int Ready { get; private set; }

        public int MaximumFrameBytes => 1514;

        public bool TrySend(ReadOnlySpan<byte> frame)
        {
            if (Room)
            {
                Sent.Add(frame.ToArray());
            }

            return Room;
        }

        public void SetReceiver(FrameReceiver receiver) => Receiver = receiver;

        public void ReceiverReady() => Ready++;

        public void RaiseRoomAvailable() => RoomAvailable();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
