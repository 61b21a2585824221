using System.Text;
using Vmm.Sdk.Testing;

namespace Vmm.Sdk.Tests.Virtio;

/// <summary>The kit with which vendors test virtio devices.</summary>
public sealed class FakeVirtioTransportTests
{
    private readonly FakeBoard _board = new();
    private readonly FakeVirtioTransport _driver;
    private readonly Reverser _device = new();

    public FakeVirtioTransportTests()
    {
        _driver = new FakeVirtioTransport(_board);
        _driver.Start(_device);
    }

    [Fact]
    public void A_request_is_answered_and_interrupts()
    {
        (byte[] answer, uint written) = _driver.Request(0, "hello"u8, 8);
        Assert.Equal("olleh", Encoding.ASCII.GetString(answer, 0, (int)written));
        Assert.Equal(1, _driver.Interrupts(0));
        Assert.Equal(0, _driver.Outstanding(0));
    }

    [Fact]
    public void The_device_gets_the_features_that_both_want()
    {
        Assert.NotEqual(0UL, _device.Agreed & 2);
        _driver.Reset();
        Assert.Equal(1, _device.Resets);
        _driver.Resume(_device, features: 1);
        Assert.Equal(0UL, _device.Agreed & 2);
        Assert.Equal("cba", Encoding.ASCII.GetString(_driver.Request(0, "abc"u8, 3).Content));
    }

    [Fact]
    public void A_driver_that_breaks_the_rules_is_caught_as_in_a_machine()
    {
        _driver.Ring(0).MakeAvailable(77);
        _driver.Notify(0);
        Assert.Contains("descriptor 77 is beyond its table", _driver.ResetReason);
    }

    private sealed class Reverser : VirtioDeviceModel
    {
        public override VirtioIdentity Identity { get; } = new(DeviceType: 42, ClassCode: 0xFF0000, Features: 2, ConfigurationLength: 0, [16]);

        public ulong Agreed => Features;

        public int Resets { get; private set; }

        public override void Reset(ResetKind kind) => Resets += kind == ResetKind.Device ? 1 : 0;

        public override void QueueNotified(IVirtioQueue queue)
        {
            byte[] message = new byte[64];
            while (queue.TryTake(out IVirtioChain? chain))
            {
                int length = chain.Readable.Read(0, message);
                message.AsSpan(0, length).Reverse();
                chain.Complete((uint)chain.Writable.Write(0, message.AsSpan(0, length)));
            }
        }
    }
}
