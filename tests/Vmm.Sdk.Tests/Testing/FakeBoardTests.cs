using Vmm.Sdk.Testing;

namespace Vmm.Sdk.Tests.Testing;

public sealed class FakeBoardTests
{
    private readonly FakeBoard _board = new();

    [Fact]
    public void A_wide_access_is_split_into_the_widths_that_the_region_implements()
    {
        var device = new RecordingDevice();
        _board.Ports.Claim("ports", 0x100, 4, AccessWidths.Byte, device);
        _board.Ports.Out32(0x100, 0x04030201);
        Assert.Equal(["w0:1=1", "w1:1=2", "w2:1=3", "w3:1=4"], device.Accesses);
        Assert.Equal(0x03020100u, _board.Ports.In32(0x100));
    }

    [Fact]
    public void An_access_past_the_end_of_a_region_reads_ones_there()
    {
        _board.Ports.Claim("ports", 0x100, 1, AccessWidths.AnyPort, new RecordingDevice());
        Assert.Equal(0xff00, _board.Ports.In16(0x100));
        Assert.Equal(0xff, _board.Ports.In8(0x200));
    }

    [Fact]
    public void A_narrower_access_than_implemented_gets_no_response()
    {
        var device = new RecordingDevice();
        _board.Mmio.Claim("registers", 0x1000, 16, AccessWidths.DoubleWord, device);
        Assert.Equal(0xfful, _board.Mmio.Read(0x1000, AccessWidth.Byte));
        _board.Mmio.Write(0x1000, AccessWidth.Word, 1);
        Assert.Empty(device.Accesses);
        _board.Mmio.Write64(0x1000, 0x2_0000_0001);
        Assert.Equal(["w0:4=1", "w4:4=2"], device.Accesses);
    }

    [Fact]
    public void Overlapping_claims_name_both_regions()
    {
        _board.Ports.Claim("first", 0x100, 8, AccessWidths.Byte, new RecordingDevice());
        var error = Assert.Throws<InvalidOperationException>(
            () => _board.Ports.Claim("second", 0x107, 1, AccessWidths.Byte, new RecordingDevice()));
        Assert.Contains("'first'", error.Message);
        Assert.Contains("'second'", error.Message);
    }

    [Fact]
    public void A_claim_moves_hides_and_ends()
    {
        var claim = _board.Ports.Claim("moving", 0x100, 1, AccessWidths.Byte, new RecordingDevice());
        _board.Ports.Claim("fixed", 0x300, 1, AccessWidths.Byte, new RecordingDevice());
        Assert.True(claim.Move(0x200));
        Assert.Equal(0x00, _board.Ports.In8(0x200));
        claim.Enabled = false;
        Assert.Equal(0xff, _board.Ports.In8(0x200));
        claim.Enabled = true;
        Assert.False(claim.Move(0x300));
        claim.Dispose();
        Assert.Single(_board.Ports.Regions);
    }

    [Fact]
    public void A_line_is_asserted_while_any_of_its_sources_is()
    {
        var first = _board.Interrupts.Line("a", 5);
        var second = _board.Interrupts.Line("b", 5);
        first.Set(true);
        second.Set(true);
        first.Set(false);
        Assert.True(_board.Interrupts[5].Asserted);
        second.Set(false);
        Assert.False(_board.Interrupts[5].Asserted);
        Assert.Equal(1, _board.Interrupts[5].RisingEdges);
    }

    [Fact]
    public void Timers_expire_in_order_each_at_its_own_time()
    {
        var seen = new List<(string, long)>();
        IVirtualTimer? late = null;
        late = _board.Clock.CreateTimer("late", () => seen.Add(("late", _board.Clock.NowNanoseconds)));
        var early = _board.Clock.CreateTimer("early", () =>
        {
            seen.Add(("early", _board.Clock.NowNanoseconds));
            late.Arm(15);
        });
        late.Arm(20);
        early.Arm(10);
        _board.Clock.Advance(30);
        Assert.Equal([("early", 10), ("late", 15)], seen);
        Assert.Equal(30, _board.Clock.NowNanoseconds);
    }

    [Fact]
    public void Guest_memory_refuses_what_is_not_wholly_inside()
    {
        var memory = new FakeGuestMemory(0x2000, baseAddress: 0x1000);
        Assert.True(memory.TryWrite(0x2ffc, [1, 2, 3, 4]));
        Assert.Equal(0x04030201u, memory.Read32(0x2ffc));
        Assert.Equal([2ul], memory.DirtyPages);
        Assert.False(memory.TryWrite(0x2ffd, [1, 2, 3, 4]));
        Assert.False(memory.TryRead(0xfff, new byte[1]));
        Assert.False(memory.TryPin(ulong.MaxValue, 1, GuestAccess.Read, out _));
        Assert.False(memory.TryPin(0x1000, 0, GuestAccess.Read, out _));
    }

    [Fact]
    public void The_channel_keeps_what_the_device_does_not_take()
    {
        var room = 2;
        var taken = new List<byte>();
        _board.Channel.SetReceiver(data =>
        {
            var count = Math.Min(room, data.Length);
            taken.AddRange(data[..count]);
            room -= count;
            return count;
        });
        _board.Channel.Receive("abc");
        Assert.Equal(1, _board.Channel.Waiting);
        room = 10;
        _board.Channel.ReceiverReady();
        Assert.Equal("abc"u8.ToArray(), taken);
    }

    [Fact]
    public async Task Posted_work_runs_on_the_thread_that_asks()
    {
        var done = false;
        var posting = Task.Run(() => _board.Post(() => done = true));
        Assert.True(_board.RunPostedUntil(() => done, TimeSpan.FromSeconds(10)));
        await posting;
    }

    [Fact]
    public void A_round_trip_that_loses_a_field_is_reported()
    {
        var forgetful = new Forgetful { Kept = 1, Lost = 2 };
        var error = Assert.Throws<StateException>(() => StateRoundTrip.Check(forgetful, new Forgetful()));
        Assert.Contains("2 = 0x2", error.Message);
    }

    [Fact]
    public void A_required_field_that_nobody_reads_is_refused()
    {
        var record = new StateRecord();
        record.UInt8(1, 1);
        record.UInt8(2, 2);
        record.UInt8(9, 9);
        Assert.Throws<StateException>(() => record.Restore(new Forgetful()));
        record.Remove(9);
        record.UInt8(9, 9, optional: true);
        record.Restore(new Forgetful());
    }

    [Fact]
    public void A_field_of_another_type_is_refused()
    {
        var record = new StateRecord();
        record.UInt16(1, 1);
        Assert.Throws<StateException>(() => record.Restore(new Forgetful()));
    }

    [Fact]
    public void The_fuzzer_names_the_access_that_made_a_device_throw()
    {
        _board.Ports.Claim("fragile", 0x100, 1, AccessWidths.Byte, new Fragile());
        var error = Assert.Throws<DeviceThrewException>(() => RegisterFuzz.Run(_board, 7, 1000));
        Assert.Contains("seed 7", error.Message);
        Assert.Contains("'fragile'", error.Message);
    }

    private sealed class RecordingDevice : IPortDevice, IMmioDevice
    {
        public List<string> Accesses { get; } = [];

        public ulong Read(uint offset, AccessWidth width) => offset;

        public ulong Read(ulong offset, AccessWidth width) => offset;

        public void Write(uint offset, AccessWidth width, ulong value) => Accesses.Add($"w{offset}:{(int)width}={value}");

        public void Write(ulong offset, AccessWidth width, ulong value) => Accesses.Add($"w{offset}:{(int)width}={value}");
    }

    private sealed class Fragile : IPortDevice
    {
        public ulong Read(uint offset, AccessWidth width) => 0;

        public void Write(uint offset, AccessWidth width, ulong value) => throw new IndexOutOfRangeException();
    }

    private sealed class Forgetful : IStateful
    {
        public byte Kept { get; set; }

        public byte Lost { get; set; }

        public void Save(IStateWriter state)
        {
            state.UInt8(1, Kept);
            state.UInt8(2, Lost);
        }

        public void Restore(IStateReader state)
        {
            Kept = state.UInt8(1);
            state.UInt8(2);
        }
    }
}
