using Vmm.Sdk.Testing;

namespace Vmm.Kernel.Tests.Virtio;

/// <summary>The device's side of a split virtqueue (VIRTIO 1.2, 2.7) against drivers, good and hostile.</summary>
public sealed class SplitVirtqueueTests : IDisposable
{
    private const int Size = 8;
    private const ulong RingAddress = 0x1000, Buffer = 0x4000, Table = 0x3000, RamEnd = 1 << 20;

    private readonly GuestMemory _memory = new();
    private readonly Owner _owner = new();
    private readonly DriverRing _ring;
    private readonly SplitVirtqueue _queue;

    public SplitVirtqueueTests()
    {
        _memory.AddRam("ram", 0, RamEnd);
        _ring = new DriverRing(_memory, RingAddress, Size);
        _queue = Open(VirtioFeatures.OfHost)!;
    }

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void A_chain_gives_what_the_device_reads_and_then_what_it_writes()
    {
        _memory.TryWrite(Buffer, "header"u8);
        ushort head = _ring.Add(new(Buffer, 6, false), new(Buffer + 0x100, 0, false), new(Buffer + 0x200, 3, true), new(Buffer + 0x300, 5, true));

        Assert.True(_queue.TryTake(out IVirtioChain? chain));
        Assert.Equal("header"u8.ToArray(), Assert.Single(chain.Readable).ToArray());
        Assert.Equal([3, 5], chain.Writable.Select(part => part.Length));
        Assert.Equal(1, _queue.Outstanding);

        chain.Writable[0].Span.Fill(7);
        chain.Complete(3);
        Assert.True(_ring.TryTakeUsed(out UsedChain used));
        Assert.Equal(new UsedChain(head, 3), used);
        Assert.Equal(0, _queue.Outstanding);
        Assert.False(_queue.TryTake(out _));
    }

    [Fact]
    public void Chains_come_in_their_order_round_the_ring_and_go_back_in_any()
    {
        for (int round = 0; round < 5 * Size; round++)
        {
            ushort first = _ring.Add(new RingPart(Buffer, 1, true)), second = _ring.Add(new RingPart(Buffer, 2, true));
            Assert.True(_queue.TryTake(out IVirtioChain? one));
            Assert.True(_queue.TryTake(out IVirtioChain? two));
            Assert.Equal(1, one.Writable[0].Length);
            two.Complete(2);
            one.Complete(1);
            Assert.True(_ring.TryTakeUsed(out UsedChain used));
            Assert.Equal(second, used.Head);
            Assert.True(_ring.TryTakeUsed(out used));
            Assert.Equal(first, used.Head);
        }
    }

    [Fact]
    public void Indexes_go_on_past_65535()
    {
        for (int i = 0; i < 70_000; i++)
        {
            _ring.Add(new RingPart(Buffer, 1, true));
            Assert.True(_queue.TryTake(out IVirtioChain? chain));
            chain.Complete(1);
            Assert.True(_ring.TryTakeUsed(out _));
        }

        Assert.Equal(70_000, _owner.Signals);
    }

    [Fact]
    public void An_indirect_table_is_followed()
    {
        _ring.AddIndirect(Table, new(Buffer, 4, false), new(Buffer + 0x10, 5, true), new(Buffer + 0x20, 6, true));

        Assert.True(_queue.TryTake(out IVirtioChain? chain));
        Assert.Equal(4, Assert.Single(chain.Readable).Length);
        Assert.Equal([5, 6], chain.Writable.Select(part => part.Length));
    }

    [Fact]
    public void The_driver_is_interrupted_when_the_used_index_passes_its_event()
    {
        _ring.SetUsedEvent(1);
        Complete(1);
        Assert.Equal(0, _owner.Signals);
        Complete(1);
        Assert.Equal(1, _owner.Signals);
        Complete(1);
        Assert.Equal(1, _owner.Signals);
    }

    [Fact]
    public void Without_event_index_a_flag_suppresses_interrupts()
    {
        SplitVirtqueue queue = Open(VirtioFeatures.Version1)!;
        _ring.SuppressInterrupts(true);
        Complete(1, queue);
        Assert.Equal(0, _owner.Signals);
        _ring.SuppressInterrupts(false);
        Complete(1, queue);
        Assert.Equal(1, _owner.Signals);
    }

    [Fact]
    public void One_interrupt_speaks_for_all_that_one_notification_completed()
    {
        for (int i = 0; i < 3; i++)
        {
            _ring.Add(new RingPart(Buffer, 1, true));
        }

        _queue.Notify(new VirtioTestDevice
        {
            OnNotified = queue =>
            {
                while (queue.TryTake(out IVirtioChain? chain))
                {
                    chain.Complete(1);
                }
            },
        });
        Assert.Equal(1, _owner.Signals);
    }

    [Fact]
    public void A_device_that_has_looked_in_vain_wants_to_be_notified_and_one_that_is_looking_does_not()
    {
        Assert.False(_queue.TryTake(out _));
        ushort before = _ring.Available;
        _ring.Add(new RingPart(Buffer, 1, true));
        Assert.True(_ring.NotificationIsWanted(before));

        before = _ring.Available;
        Assert.True(_queue.TryTake(out _));
        _ring.Add(new RingPart(Buffer, 1, true));
        Assert.False(_ring.NotificationIsWanted(before));
    }

    [Fact]
    public void Pages_are_dirty_once_the_device_has_written_them()
    {
        _ring.Add(new RingPart(Buffer + 0x2000, 4096, true));
        _memory.DirtyTracking = true;
        Assert.True(_queue.TryTake(out IVirtioChain? chain));
        GuestMemory.CollectDirtyPages(_memory.Map[0]);

        chain.Complete(10);

        // Page 6 has the data, page 1 the used ring.
        Assert.Equal((1UL << 6) | (1UL << 1), GuestMemory.CollectDirtyPages(_memory.Map[0])[0]);
    }

    [Theory]
    [InlineData("beyond", 200)]
    [InlineData("beyond", Size)]
    public void A_head_beyond_the_table_requires_a_reset(string reason, ushort head)
    {
        _ring.MakeAvailable(head);
        AssertBroken(reason);
    }

    [Fact]
    public void A_next_beyond_the_table_requires_a_reset()
    {
        _ring.SetDescriptor(0, Buffer, 1, flags: 1, next: Size);
        _ring.MakeAvailable(0);
        AssertBroken("beyond");
    }

    [Fact]
    public void A_loop_requires_a_reset()
    {
        _ring.SetDescriptor(0, Buffer, 1, flags: 1, next: 1);
        _ring.SetDescriptor(1, Buffer, 1, flags: 1, next: 0);
        _ring.MakeAvailable(0);
        AssertBroken("more than 8 descriptors");
    }

    [Theory]
    [InlineData(RamEnd, 1)]
    [InlineData(RamEnd - 1, 2)]
    [InlineData(ulong.MaxValue, 1)]
    [InlineData(ulong.MaxValue - 8, 64)]
    [InlineData(0, uint.MaxValue)]
    public void A_buffer_that_is_not_in_memory_requires_a_reset(ulong address, uint length)
    {
        _ring.SetDescriptor(0, address, length, flags: 2, next: 0);
        _ring.MakeAvailable(0);
        AssertBroken("not in memory");
    }

    [Fact]
    public void Reading_after_writing_requires_a_reset()
    {
        _ring.Add(new(Buffer, 1, true), new(Buffer, 1, false));
        AssertBroken("for reading after one for writing");
    }

    [Theory]
    [InlineData(4, 15)]
    [InlineData(4, 0)]
    [InlineData(5, 16)]
    public void A_malformed_indirect_descriptor_requires_a_reset(ushort flags, uint length)
    {
        _ring.SetDescriptor(0, Table, length, flags, next: 1);
        _ring.MakeAvailable(0);
        AssertBroken("indirect");
    }

    [Fact]
    public void An_indirect_table_in_an_indirect_table_requires_a_reset()
    {
        _ring.SetDescriptor(0, Table, 16, flags: 4, next: 0);
        _memory.TryWrite(Table, [0, 0x30, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 4, 0, 0, 0]);
        _ring.MakeAvailable(0);
        AssertBroken("indirect");
    }

    [Fact]
    public void An_indirect_table_that_was_not_agreed_on_requires_a_reset()
    {
        SplitVirtqueue queue = Open(VirtioFeatures.Version1)!;
        _ring.AddIndirect(Table, new RingPart(Buffer, 4, false));
        Assert.False(queue.TryTake(out _));
        Assert.Contains("indirect", _owner.ResetReason);
    }

    [Fact]
    public void An_available_index_that_runs_away_requires_a_reset()
    {
        _ring.SetAvailableIndex(Size + 1);
        AssertBroken("9 ahead of a ring of 8");
    }

    [Fact]
    public void A_chain_that_is_available_twice_requires_a_reset()
    {
        ushort head = _ring.Add(new RingPart(Buffer, 1, true));
        Assert.True(_queue.TryTake(out _));
        _ring.MakeAvailable(head);
        AssertBroken("a second time");
    }

    [Fact]
    public void A_queue_that_is_misaligned_or_not_in_memory_does_not_open()
    {
        foreach (VirtqueueLayout layout in (VirtqueueLayout[])
            [new(8, 0x1008, 0x2000, 0x3000), new(8, 0x1000, 0x2001, 0x3000), new(8, 0x1000, 0x2000, 0x3002), new(8, RamEnd, 0x2000, 0x3000), new(32768, 0xF_0000, 0x2000, 0x3000)])
        {
            Assert.Null(SplitVirtqueue.Open(_memory, _owner, 0, layout, 8, 0));
        }
    }

    [Fact]
    public void Nothing_is_taken_while_the_guest_forbids_memory_accesses()
    {
        _ring.Add(new RingPart(Buffer, 1, true));
        _owner.MayAccessMemory = false;
        Assert.False(_queue.TryTake(out _));
        _owner.MayAccessMemory = true;
        Assert.True(_queue.TryTake(out _));
    }

    [Fact]
    public void What_is_completed_after_a_stop_does_not_reach_the_driver()
    {
        _ring.Add(new RingPart(Buffer, 1, true));
        Assert.True(_queue.TryTake(out IVirtioChain? chain));
        _queue.Stop();
        chain.Complete(1);
        Assert.False(_ring.TryTakeUsed(out _));
        Assert.Equal(0, _owner.Signals);
        Assert.Equal(0, _queue.Outstanding);
    }

    [Fact]
    public void A_device_that_completes_a_chain_twice_is_told()
    {
        _ring.Add(new RingPart(Buffer, 1, true));
        Assert.True(_queue.TryTake(out IVirtioChain? chain));
        chain.Complete(1);
        Assert.Throws<InvalidOperationException>(() => chain.Complete(1));
    }

    [Fact]
    public void Chains_in_work_come_again_after_a_restore_before_newer_ones()
    {
        for (int i = 1; i <= 3; i++)
        {
            _ring.Add(new RingPart(Buffer, (uint)i, true));
        }

        Assert.True(_queue.TryTake(out IVirtioChain? one));
        Assert.True(_queue.TryTake(out _));
        one.Complete(1);
        StateWriter writer = new();
        _queue.Save(writer);

        SplitVirtqueue restored = Open(VirtioFeatures.OfHost)!;
        restored.Restore(new StateReader(writer.ToArray(), 1, "queue"));
        Assert.True(restored.TryTake(out IVirtioChain? again));
        Assert.Equal(2, again.Writable[0].Length);
        Assert.True(restored.TryTake(out IVirtioChain? newer));
        Assert.Equal(3, newer.Writable[0].Length);
        Assert.False(restored.TryTake(out _));
        again.Complete(2);
        Assert.True(_ring.TryTakeUsed(out UsedChain first));
        Assert.True(_ring.TryTakeUsed(out UsedChain second));
        Assert.Equal((1u, 2u), (first.Written, second.Written));
    }

    [Fact]
    public void Random_rings_end_in_a_reset_at_worst()
    {
        var random = new Random(20261126);
        for (int round = 0; round < 2000; round++)
        {
            byte[] rings = new byte[DriverRing.LengthOf(Size)];
            random.NextBytes(rings);
            for (int i = 0; i < Size; i++)
            {
                // Small numbers, so that some of it is legal.
                rings.AsSpan((16 * i) + 3, 5).Clear();
                rings.AsSpan((16 * i) + 10, 2).Clear();
                rings[(16 * i) + 12] &= 7;
                rings[(16 * i) + 14] &= 15;
                rings[(16 * i) + 13] = rings[(16 * i) + 15] = 0;
            }

            rings.AsSpan(16 * Size, 4 + (2 * Size)).Clear();
            rings[(16 * Size) + 2] = (byte)random.Next(Size + 2);
            _memory.TryWrite(RingAddress, rings);
            SplitVirtqueue queue = Open(VirtioFeatures.OfHost)!;
            for (int taken = 0; queue.TryTake(out IVirtioChain? chain); taken++)
            {
                Assert.True(taken < Size + 2);
                chain.Complete(0);
            }
        }
    }

    private void AssertBroken(string reason)
    {
        Assert.False(_queue.TryTake(out IVirtioChain? chain));
        Assert.Null(chain);
        Assert.Contains(reason, _owner.ResetReason);

        // It stays so, whatever the driver does then.
        _ring.SetAvailableIndex(0);
        Assert.False(_queue.TryTake(out _));
    }

    private void Complete(uint written, SplitVirtqueue? queue = null)
    {
        _ring.Add(new RingPart(Buffer, 16, true));
        Assert.True((queue ?? _queue).TryTake(out IVirtioChain? chain));
        chain.Complete(written);
    }

    private SplitVirtqueue? Open(ulong features) =>
        SplitVirtqueue.Open(_memory, _owner, 0, new VirtqueueLayout(Size, _ring.Descriptors, _ring.Driver, _ring.Device), Size, features);

    private sealed class Owner : IVirtqueueOwner
    {
        public int Signals { get; private set; }

        public string ResetReason { get; private set; } = "";

        public bool MayAccessMemory { get; set; } = true;

        public void SignalUsed(int queue) => Signals++;

        public void RequireReset(string reason) => ResetReason = reason;
    }
}
