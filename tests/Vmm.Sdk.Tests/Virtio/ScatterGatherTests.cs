namespace Vmm.Sdk.Tests.Virtio;

public sealed class ScatterGatherTests
{
    private static readonly byte[] Bytes = [.. Enumerable.Range(0, 10).Select(i => (byte)i)];
    private static readonly IReadOnlyList<ReadOnlyMemory<byte>> Parts = [Bytes.AsMemory(0, 3), Bytes.AsMemory(3, 1), Bytes.AsMemory(4, 6)];

    [Theory]
    [InlineData(0, 10, 10)]
    [InlineData(2, 3, 3)]
    [InlineData(3, 1, 1)]
    [InlineData(9, 4, 1)]
    [InlineData(10, 4, 0)]
    [InlineData(99, 4, 0)]
    public void Bytes_are_read_by_their_position(int position, int wanted, int found)
    {
        byte[] read = new byte[wanted];
        Assert.Equal(found, Parts.Read(position, read));
        Assert.Equal(Bytes.Skip(position).Take(wanted), read.Take(found));
        Assert.Equal(10, Parts.Length());
    }

    [Fact]
    public void Bytes_are_written_by_their_position()
    {
        byte[] memory = new byte[10];
        IReadOnlyList<Memory<byte>> parts = [memory.AsMemory(0, 4), memory.AsMemory(4, 6)];
        Assert.Equal(3, parts.Write(2, [7, 8, 9]));
        Assert.Equal([0, 0, 7, 8, 9, 0, 0, 0, 0, 0], memory);
        Assert.Equal(1, parts.Write(9, [5, 6]));
        Assert.Equal(5, memory[9]);
        Assert.Equal(0, parts.Write(10, [5]));
        Assert.Equal(10, parts.Length());
    }

    [Theory]
    [InlineData(0, 10)]
    [InlineData(2, 5)]
    [InlineData(3, 1)]
    [InlineData(4, 100)]
    [InlineData(10, 1)]
    public void A_range_is_made_of_pieces_of_the_parts(int position, int length)
    {
        List<ReadOnlyMemory<byte>> range = [];
        Parts.AddRange(position, length, range);
        Assert.Equal(Bytes.Skip(position).Take(length), range.SelectMany(part => part.ToArray()));
        Assert.DoesNotContain(range, part => part.IsEmpty);
    }
}
