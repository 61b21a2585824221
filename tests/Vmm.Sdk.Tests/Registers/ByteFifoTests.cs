namespace Vmm.Sdk.Tests.Registers;

public sealed class ByteFifoTests
{
    [Fact]
    public void Bytes_come_out_in_the_order_they_went_in_across_the_end_of_the_buffer()
    {
        var fifo = new ByteFifo(3);
        fifo.Enqueue([1, 2]);
        fifo.TryDequeue(out _);
        Assert.Equal(2, fifo.Enqueue([3, 4, 5]));
        Assert.True(fifo.IsFull);

        Assert.Equal([2, 3, 4], Drain(fifo));
        Assert.False(fifo.TryPeek(out _));
    }

    [Fact]
    public void A_full_buffer_refuses()
    {
        var fifo = new ByteFifo(1);
        Assert.True(fifo.TryEnqueue(7));
        Assert.False(fifo.TryEnqueue(8));
        Assert.Equal([7], Drain(fifo));
    }

    [Fact]
    public void An_impossible_saved_count_is_refused()
    {
        Assert.Throws<StateException>(() => new ByteFifo(4).Restore(new HostileState(), 1));
    }

    /// <summary>Saved bytes that claim a count of 200.</summary>
    private sealed class HostileState : IStateReader
    {
        public int Version => 1;

        public byte UInt8(int field, byte fallback = 0) => fallback;

        public ushort UInt16(int field, ushort fallback = 0) => fallback;

        public uint UInt32(int field, uint fallback = 0) => fallback;

        public ulong UInt64(int field, ulong fallback = 0) => fallback;

        public bool Bytes(int field, Span<byte> destination)
        {
            destination[0] = 200;
            return true;
        }

        public bool Section(int field, Action<IStateReader> read) => false;
    }

    private static List<byte> Drain(ByteFifo fifo)
    {
        var bytes = new List<byte>();
        while (fifo.TryDequeue(out byte value))
        {
            bytes.Add(value);
        }

        return bytes;
    }
}
