namespace Vmm.Kernel.Tests;

public sealed class StateStreamTests
{
    [Fact]
    public void What_was_written_is_read_back()
    {
        var writer = new StateWriter();
        writer.UInt8(1, 0x12);
        writer.UInt16(2, 0x3456);
        writer.UInt32(3, 0x789A_BCDE);
        writer.UInt64(65535, ulong.MaxValue);
        writer.Bytes(5, [1, 2, 3]);
        writer.Section(6, inner => inner.UInt8(1, 9));

        StateReader reader = Read(writer);
        Assert.Equal(0x12, reader.UInt8(1));
        Assert.Equal(0x3456, reader.UInt16(2));
        Assert.Equal(0x789A_BCDEu, reader.UInt32(3));
        Assert.Equal(ulong.MaxValue, reader.UInt64(65535));
        var bytes = new byte[3];
        Assert.True(reader.Bytes(5, bytes));
        Assert.Equal([1, 2, 3], bytes);
        byte nested = 0;
        Assert.True(reader.Section(6, inner => nested = inner.UInt8(1)));
        Assert.Equal(9, nested);
        reader.RequireAllRead();
        Assert.Equal(3, reader.Version);
    }

    [Fact]
    public void An_absent_field_gives_the_fallback()
    {
        StateReader reader = Read(new StateWriter());
        var untouched = new byte[] { 7 };
        Assert.Equal(5, reader.UInt8(1, 5));
        Assert.False(reader.Bytes(2, untouched));
        Assert.Equal(7, untouched[0]);
        Assert.False(reader.Section(3, _ => Assert.Fail("There is no section.")));
    }

    [Fact]
    public void An_unknown_optional_field_is_skipped_and_a_required_one_refused()
    {
        var writer = new StateWriter();
        writer.UInt8(1, 1);
        writer.UInt8(2, 2, optional: true);
        Read(writer, r => r.UInt8(1)).RequireAllRead();

        writer.UInt8(3, 3);
        var refused = Assert.Throws<StateException>(() => Read(writer, r => r.UInt8(1)).RequireAllRead());
        Assert.Contains("'com1'", refused.Message);
        Assert.Contains("3", refused.Message);
    }

    [Fact]
    public void An_unknown_required_field_in_a_nested_section_is_refused()
    {
        var writer = new StateWriter();
        writer.Section(1, inner => inner.UInt8(8, 1));
        Assert.Throws<StateException>(() => Read(writer).Section(1, _ => { }));
    }

    [Fact]
    public void A_field_of_another_type_or_length_is_refused()
    {
        var writer = new StateWriter();
        writer.UInt8(1, 1);
        writer.Bytes(2, [1, 2]);
        Assert.Throws<StateException>(() => Read(writer).UInt32(1));
        Assert.Throws<StateException>(() => Read(writer).Bytes(2, new byte[3]));
    }

    [Fact]
    public void A_number_out_of_range_or_written_twice_is_refused()
    {
        var writer = new StateWriter();
        writer.UInt8(1, 1);
        Assert.Throws<StateException>(() => writer.UInt8(1, 2));
        Assert.Throws<StateException>(() => writer.UInt8(0, 2));
        Assert.Throws<StateException>(() => writer.UInt8(65536, 2));
    }

    [Fact]
    public void Every_truncation_is_refused_or_reads_as_absent_but_never_fails_otherwise()
    {
        var writer = new StateWriter();
        writer.UInt32(1, 1);
        writer.Bytes(2, new byte[20]);
        writer.Section(3, inner => inner.UInt64(1, 2));
        byte[] whole = writer.ToArray();
        for (int length = 0; length < whole.Length; length++)
        {
            byte[] cut = whole[..length];
            Exception? problem = Record.Exception(() => Consume(cut));
            Assert.True(problem is null or StateException, $"{length} bytes: {problem}");
        }
    }

    [Fact]
    public void Random_bytes_are_refused_but_never_fail_otherwise()
    {
        var random = new Random(20261123);
        for (int i = 0; i < 20_000; i++)
        {
            var bytes = new byte[random.Next(64)];
            random.NextBytes(bytes);
            Exception? problem = Record.Exception(() => Consume(bytes));
            Assert.True(problem is null or StateException, $"{Convert.ToHexString(bytes)}: {problem}");
        }
    }

    private static void Consume(byte[] bytes)
    {
        var reader = new StateReader(bytes, 1, "'com1'");
        reader.UInt32(1);
        reader.Bytes(2, new byte[20]);
        reader.Section(3, inner => inner.UInt64(1));
        reader.RequireAllRead();
    }

    private static StateReader Read(StateWriter writer, Action<StateReader>? read = null)
    {
        var reader = new StateReader(writer.ToArray(), 3, "'com1'");
        read?.Invoke(reader);
        return reader;
    }
}
