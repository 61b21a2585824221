using System.Collections.Concurrent;
using System.Text;
using Vmm.Machine.Channels;

namespace Vmm.Machine.Tests.Channels;

public sealed class CharacterChannelTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    [Fact]
    public void Everything_sent_is_written_before_the_channel_closes()
    {
        PipeEndpoint endpoint = new();
        using (CharacterChannel channel = new("com1", endpoint, work => work(), _ => { }))
        {
            for (int i = 0; i < 1000; i++)
            {
                channel.Send([(byte)i]);
            }
        }

        Assert.Equal([.. Enumerable.Range(0, 1000).Select(i => (byte)i)], endpoint.Written.ToArray());
        Assert.True(endpoint.Disposed);
    }

    [Fact]
    public void Input_waits_until_the_device_has_room()
    {
        PipeEndpoint endpoint = new();
        using CharacterChannel channel = new("com1", endpoint, work => work(), _ => { });
        List<byte> received = [];
        using SemaphoreSlim offered = new(0);
        channel.SetReceiver(data =>
        {
            // A device with room for one byte.
            received.Add(data[0]);
            offered.Release();
            return 1;
        });
        channel.StartInput("com1");
        endpoint.Input.Add("abc"u8.ToArray());

        Assert.True(offered.Wait(Deadline));
        channel.ReceiverReady();
        Assert.True(offered.Wait(Deadline));
        channel.ReceiverReady();
        Assert.True(offered.Wait(Deadline));
        Assert.Equal("abc", Encoding.ASCII.GetString([.. received]));
    }

    [Fact]
    public void Input_that_came_before_the_device_was_there_is_not_lost()
    {
        PipeEndpoint endpoint = new();
        using CharacterChannel channel = new("com1", endpoint, work => work(), _ => { });
        endpoint.Input.Add("x"u8.ToArray());
        channel.StartInput("com1");
        Assert.True(endpoint.ReadOnce.Wait(Deadline));
        using ManualResetEventSlim received = new();
        channel.SetReceiver(data =>
        {
            received.Set();
            return data.Length;
        });

        Assert.True(received.Wait(Deadline));
    }

    [Fact]
    public void An_endpoint_that_fails_is_told_once_and_the_guest_goes_on()
    {
        using ManualResetEventSlim told = new();
        string message = "";
        using CharacterChannel channel = new("com1", new PipeEndpoint { Broken = true }, work => work(), text =>
        {
            message = text;
            told.Set();
        });
        channel.Send([1]);
        Assert.True(told.Wait(Deadline));
        channel.Send([2]);
        Assert.Contains("Broken pipe", message, StringComparison.Ordinal);
    }

    private sealed class PipeEndpoint : ICharacterEndpoint
    {
        public BlockingCollection<byte[]> Input { get; } = [];

        public ConcurrentQueue<byte> Written { get; } = new();

        public ManualResetEventSlim ReadOnce { get; } = new();

        public bool Broken { get; init; }

        public bool Disposed { get; private set; }

        public void Write(ReadOnlySpan<byte> data)
        {
            if (Broken)
            {
                throw new IOException("Broken pipe");
            }

            foreach (byte value in data)
            {
                Written.Enqueue(value);
            }
        }

        public int Read(Span<byte> buffer)
        {
            if (!Input.TryTake(out byte[]? data, Timeout.Infinite))
            {
                return 0;
            }

            data.CopyTo(buffer);
            ReadOnce.Set();
            return data.Length;
        }

        public void Dispose()
        {
            Disposed = true;
            Input.CompleteAdding();
        }
    }
}
