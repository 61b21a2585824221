using System.Buffers.Binary;
using Vmm.Plugins.MemoryStorage;
using Vmm.Plugins.RawStorage;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.Nvme;

public sealed class NvmeIoTests
{
    private const byte Flush = 0x00, Write = 0x01, Read = 0x02, WriteZeroes = 0x08, DatasetManagement = 0x09;
    private const uint ForceUnitAccess = 1 << 30;
    private const ulong Source = 0x20_0000, Target = 0x60_0000, List = 0x5000;

    private readonly MemoryBackend _disk = new(new MemoryOptions { Size = 16 << 20 });
    private readonly NvmeDriver _driver;

    public NvmeIoTests()
    {
        _driver = new NvmeDriver(_disk).Start().WithQueue();
        new Random(7).NextBytes(_driver.Board.Memory.Bytes.Slice((int)Source, 4 << 20));
    }

    [Theory]
    [InlineData(1, 0x000)]
    [InlineData(8, 0x000)]
    [InlineData(7, 0x200)]
    [InlineData(8, 0x204)]
    [InlineData(16, 0x000)]
    [InlineData(16, 0xffc)]
    [InlineData(4096, 0x000)]
    [InlineData(4096, 0x104)]
    public void What_is_written_is_read_back_by_any_shape_of_page_list(int blocks, int offset)
    {
        Assert.Equal(0, Transfer(Write, 100, blocks, Source + (ulong)offset).Status);
        Assert.Equal(0, Transfer(Read, 100, blocks, Target + (ulong)offset).Status);

        Assert.Equal(Bytes(Source + (ulong)offset, blocks * 512), Bytes(Target + (ulong)offset, blocks * 512));
    }

    [Fact]
    public void Scattered_pages_are_transferred_in_the_order_of_the_list()
    {
        ulong[] pages = [Source + 0x9000, Source + 0x1000, Source + 0x4000, Source + 0x5000];
        WriteList(List, pages[1..]);

        Assert.Equal(0, _driver.Run(1, NvmeDriver.Transfer(Write, 0, 32, pages[0], List)).Status);

        byte[] expected = [.. pages.SelectMany(page => Bytes(page, 4096))];
        Assert.Equal(0, Transfer(Read, 0, 32, Target).Status);
        Assert.Equal(expected, Bytes(Target, 32 * 512));
    }

    [Fact]
    public void A_list_that_ends_with_its_page_goes_on_in_the_next()
    {
        // The list starts with three entries left in its page: two data pages and the pointer to the rest.
        WriteList(List + 0x1000 - 24, [Source + 0x1000, Source + 0x2000, List + 0x1000]);
        WriteList(List + 0x1000, [Source + 0x3000, Source + 0x4000]);

        Assert.Equal(0, _driver.Run(1, NvmeDriver.Transfer(Write, 0, 40, Source, List + 0x1000 - 24)).Status);

        Assert.Equal(0, Transfer(Read, 0, 40, Target).Status);
        Assert.Equal(Bytes(Source, 40 * 512), Bytes(Target, 40 * 512));
    }

    [Fact]
    public void A_list_that_exactly_fills_its_page_has_no_pointer()
    {
        WriteList(List + 0x1000 - 16, [Source + 0x1000, Source + 0x2000]);

        Assert.Equal(0, _driver.Run(1, NvmeDriver.Transfer(Write, 0, 24, Source, List + 0x1000 - 16)).Status);

        Assert.Equal(0, Transfer(Read, 0, 24, Target).Status);
        Assert.Equal(Bytes(Source, 24 * 512), Bytes(Target, 24 * 512));
    }

    [Theory]
    [InlineData(1, Source + 2, 0ul, 0x013)]
    [InlineData(16, Source, Source + 0x1010, 0x013)]
    [InlineData(32, Source, List + 4, 0x013)]
    [InlineData(1, 0xffff_ffff_ffff_f000, 0ul, 0x004)]
    [InlineData(1, 0xff_fe04ul, 0x100_0000ul, 0x004)]
    [InlineData(1, 0x100_0000ul, 0ul, 0x004)]
    [InlineData(16, Source, 0x100_0000ul, 0x004)]
    [InlineData(32, Source, 0x7fff_0000ul, 0x004)]
    public void Wrong_data_pointers_are_refused(int blocks, ulong prp1, ulong prp2, int status) =>
        Assert.Equal(status, _driver.Run(1, NvmeDriver.Transfer(Read, 0, blocks, prp1, prp2)).Status);

    [Fact]
    public void Wrong_entries_in_a_list_are_refused()
    {
        WriteList(List, [Source + 0x1000, Source + 0x2008, Source + 0x3000]);
        Assert.Equal(0x013, _driver.Run(1, NvmeDriver.Transfer(Read, 0, 32, Source, List)).Status);

        WriteList(List, [Source + 0x1000, 0xffff_ffff_0000_0000, Source + 0x3000]);
        Assert.Equal(0x004, _driver.Run(1, NvmeDriver.Transfer(Read, 0, 32, Source, List)).Status);

        WriteList(List + 0x1000 - 16, [Source + 0x1000, List + 0x1008]);
        Assert.Equal(0x013, _driver.Run(1, NvmeDriver.Transfer(Read, 0, 32, Source, List + 0x1000 - 16)).Status);
    }

    [Fact]
    public void A_list_that_points_to_itself_ends_with_the_transfer()
    {
        WriteList(List + 0x1000 - 8, [List]);
        WriteList(List, [.. Enumerable.Repeat(Source, 511), List]);

        Assert.Equal(0, _driver.Run(1, NvmeDriver.Transfer(Write, 0, 4096, Source, List + 0x1000 - 8)).Status);
    }

    [Theory]
    [InlineData(Read)]
    [InlineData(Write)]
    public void A_transfer_beyond_MDTS_is_refused(byte opcode) =>
        Assert.Equal(0x002, _driver.Run(1, NvmeDriver.Transfer(opcode, 0, 4097, Source, List)).Status);

    [Theory]
    [InlineData(Read, 32768ul, 1)]
    [InlineData(Write, 32767ul, 2)]
    [InlineData(WriteZeroes, 32767ul, 2)]
    [InlineData(Read, ulong.MaxValue, 1)]
    [InlineData(Write, ulong.MaxValue, 2)]
    public void Blocks_beyond_the_end_are_out_of_range(byte opcode, ulong lba, int blocks)
    {
        var completion = _driver.Run(1, NvmeDriver.Transfer(opcode, lba, blocks, Source));

        Assert.Equal(0x080, completion.Status);
        Assert.True(completion.DoNotRetry);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(2u)]
    [InlineData(uint.MaxValue)]
    public void A_namespace_that_is_not_there_is_refused(uint nsid) =>
        Assert.Equal(0x00b, _driver.Run(1, NvmeDriver.Command(Read, nsid, Source)).Status);

    [Fact]
    public void An_unknown_opcode_is_refused() => Assert.Equal(0x001, _driver.Run(1, NvmeDriver.Command(0x7f, 1)).Status);

    [Fact]
    public void A_flush_of_one_or_all_namespaces_succeeds()
    {
        Assert.Equal(0, _driver.Run(1, NvmeDriver.Command(Flush, nsid: 1)).Status);
        Assert.Equal(0, _driver.Run(1, NvmeDriver.Command(Flush, nsid: uint.MaxValue)).Status);
        Assert.Equal(0x00b, _driver.Run(1, NvmeDriver.Command(Flush, nsid: 0)).Status);
    }

    [Fact]
    public void Write_zeroes_zeroes_exactly_its_blocks()
    {
        Transfer(Write, 0, 1024, Source);

        Assert.Equal(0, _driver.Run(1, NvmeDriver.Transfer(WriteZeroes, 3, 1000, 0)).Status);

        Transfer(Read, 0, 1024, Target);
        Assert.Equal(Bytes(Source, 3 * 512), Bytes(Target, 3 * 512));
        Assert.All(Bytes(Target + (3 * 512), 1000 * 512), b => Assert.Equal(0, b));
        Assert.Equal(Bytes(Source + (1003 * 512), 21 * 512), Bytes(Target + (1003 * 512), 21 * 512));
    }

    [Fact]
    public void Write_zeroes_may_be_larger_than_a_transfer() =>
        Assert.Equal(0, _driver.Run(1, NvmeDriver.Transfer(WriteZeroes, 0, 32768, 0)).Status);

    [Fact]
    public void Deallocated_ranges_are_discarded()
    {
        Transfer(Write, 0, 1024, Source);
        WriteRanges((128, 128), (512, 256));

        Assert.Equal(0, _driver.Run(1, NvmeDriver.Command(DatasetManagement, 1, List, d10: 1, d11: 4)).Status);

        Transfer(Read, 0, 1024, Target);
        Assert.All(Bytes(Target + (128 * 512), 128 * 512), b => Assert.Equal(0, b));
        Assert.All(Bytes(Target + (512 * 512), 256 * 512), b => Assert.Equal(0, b));
        Assert.Equal(Bytes(Source + (256 * 512), 256 * 512), Bytes(Target + (256 * 512), 256 * 512));
    }

    [Fact]
    public void Dataset_management_without_deallocation_changes_nothing_and_checks_ranges()
    {
        Transfer(Write, 0, 8, Source);
        WriteRanges((0, 8));
        Assert.Equal(0, _driver.Run(1, NvmeDriver.Command(DatasetManagement, 1, List, d10: 0, d11: 1)).Status);
        Transfer(Read, 0, 8, Target);
        Assert.Equal(Bytes(Source, 4096), Bytes(Target, 4096));

        WriteRanges((32767, 2));
        Assert.Equal(0x080, _driver.Run(1, NvmeDriver.Command(DatasetManagement, 1, List, d10: 0, d11: 4)).Status);
    }

    [Fact]
    public void A_read_only_disk_refuses_what_would_change_it()
    {
        var driver = new NvmeDriver(new MemoryBackend(new MemoryOptions { Size = 1 << 20, ReadOnly = true })).Start().WithQueue();

        Assert.Equal(0, driver.Run(1, NvmeDriver.Transfer(Read, 0, 1, Source)).Status);
        Assert.Equal(0x020, driver.Run(1, NvmeDriver.Transfer(Write, 0, 1, Source)).Status);
        Assert.Equal(0x020, driver.Run(1, NvmeDriver.Transfer(WriteZeroes, 0, 1, 0)).Status);
        Assert.Equal(0x020, driver.Run(1, NvmeDriver.Command(DatasetManagement, 1, List, d10: 0, d11: 4)).Status);
    }

    [Fact]
    public void Writes_are_durable_when_forced_or_when_the_cache_is_off()
    {
        var disk = new GatedBackend();
        var driver = new NvmeDriver(disk).Start().WithQueue();

        driver.Submit(1, NvmeDriver.Transfer(Write, 0, 1, Source));
        driver.Submit(1, NvmeDriver.Transfer(Write, 0, 1, Source, flags: ForceUnitAccess));
        Assert.Equal(0, driver.Admin(NvmeDriver.Command(0x09, d10: 6, d11: 0)).Status);
        driver.Submit(1, NvmeDriver.Transfer(Write, 0, 1, Source));

        Assert.Equal([false, true, true], disk.Durable);
    }

    [Fact]
    public void Commands_complete_in_the_order_in_which_the_backend_finishes_them()
    {
        var disk = new GatedBackend();
        var driver = new NvmeDriver(disk).Start().WithQueue();
        ushort first = driver.Submit(1, NvmeDriver.Transfer(Read, 0, 1, Source));
        ushort second = driver.Submit(1, NvmeDriver.Transfer(Read, 1, 1, Source));
        Assert.Null(driver.TryTake(1));

        disk.Finish(1);
        Assert.Equal(second, driver.Await(1).CommandId);
        disk.Finish(0);
        Assert.Equal(first, driver.Await(1).CommandId);
        Assert.Equal(2, driver.Slot.MessageInterrupts!.Signals(1));
    }

    [Fact]
    public void Commands_under_way_keep_places_in_the_completion_queue()
    {
        var disk = new GatedBackend();
        var driver = new NvmeDriver(disk).Start().WithQueue(1, entries: 4);
        for (int i = 0; i < 3; i++)
        {
            driver.Submit(1, NvmeDriver.Transfer(Read, 0, 1, Source));
        }

        disk.Finish(0);
        driver.Await(1);
        driver.Submit(1, NvmeDriver.Transfer(Read, 0, 1, Source));
        driver.Submit(1, NvmeDriver.Transfer(Read, 0, 1, Source));

        Assert.Equal(4, disk.Requests);
    }

    [Theory]
    [InlineData(Read, BlockStatus.MediumError, 0x281, false)]
    [InlineData(Write, BlockStatus.MediumError, 0x280, false)]
    [InlineData(Write, BlockStatus.NoSpace, 0x081, false)]
    [InlineData(Write, BlockStatus.ReadOnly, 0x020, true)]
    [InlineData(Read, BlockStatus.OutOfRange, 0x080, true)]
    [InlineData(Flush, BlockStatus.Cancelled, 0x007, false)]
    public void What_the_backend_says_becomes_a_status(byte opcode, BlockStatus answer, int status, bool final)
    {
        var disk = new GatedBackend();
        var driver = new NvmeDriver(disk).Start().WithQueue();
        driver.Submit(1, NvmeDriver.Transfer(opcode, 0, 1, Source));

        disk.Finish(0, answer);

        var completion = driver.Await(1);
        Assert.Equal((status, final), (completion.Status, completion.DoNotRetry));
    }

    [Fact]
    public void A_backend_that_throws_is_a_medium_error_and_a_message()
    {
        var disk = new GatedBackend();
        var driver = new NvmeDriver(disk).Start().WithQueue();
        driver.Submit(1, NvmeDriver.Transfer(Read, 0, 1, Source));

        disk.Fail(0, new InvalidOperationException("the cable fell out"));

        Assert.Equal(0x281, driver.Await(1).Status);
        Assert.Contains("the cable fell out", driver.Board.Log.Entries[0].Message);
    }

    [Fact]
    public async Task A_raw_file_works_behind_it()
    {
        string path = Path.GetTempFileName();
        try
        {
            await File.WriteAllBytesAsync(path, new byte[1 << 20]);
            await using (var disk = new RawBackend(new RawOptions { Path = path }))
            {
                var driver = new NvmeDriver(disk).Start().WithQueue();
                new Random(3).NextBytes(driver.Board.Memory.Bytes.Slice((int)Source, 4096));
                for (ulong i = 0; i < 100; i++)
                {
                    Assert.Equal(0, driver.Run(1, NvmeDriver.Transfer(Write, i * 8, 8, Source)).Status);
                }

                Assert.Equal(0, driver.Run(1, NvmeDriver.Command(Flush, 1)).Status);
                Assert.Equal(0, driver.Run(1, NvmeDriver.Transfer(Read, 8 * 42, 8, Target)).Status);
                Assert.Equal(driver.Board.Memory.Bytes.Slice((int)Source, 4096).ToArray(), driver.Board.Memory.Bytes.Slice((int)Target, 4096).ToArray());
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_restored_controller_does_again_what_was_under_way_and_goes_on()
    {
        var disk = new GatedBackend();
        var driver = new NvmeDriver(disk).Start().WithQueue();
        ushort request = driver.Submit(0, NvmeDriver.Command(0x0c));
        ushort read = driver.Submit(1, NvmeDriver.Transfer(Read, 5, 1, Source));
        ushort deletion = driver.Submit(0, NvmeDriver.Command(0x00, d10: 1));
        Assert.Equal(1, disk.Requests);

        var otherDisk = new GatedBackend();
        var other = new NvmeDriver(otherDisk);
        StateRoundTrip.Check(driver.Device, other.Device);
        other.TakeOver(driver);
        Assert.Equal(0, otherDisk.Requests);
        other.Board.Clock.Advance(1);

        Assert.Equal(1, otherDisk.Requests);
        otherDisk.Finish(0);
        Assert.Equal(deletion, other.Await(0).CommandId);
        Assert.Equal(read, other.TryTake(1)!.Value.CommandId);
        other.Board.Mmio.Write32(NvmeDriver.Registers + 0x1100, 0);
        Assert.Equal(request, other.Await(0).CommandId);
        Assert.Equal(0, other.Admin(NvmeDriver.Command(0x0a, d10: 7)).Status);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_commands_never_make_it_throw_or_stop(int seed)
    {
        var random = new Random(seed);
        byte[] opcodes = [0, 1, 2, 4, 5, 6, 8, 9, 0x0a, 0x0c, 0x7f];
        for (int i = 0; i < 3_000; i++)
        {
            byte[] command = new byte[64];
            random.NextBytes(command);
            command[0] = opcodes[random.Next(opcodes.Length)];
            command[1] = (byte)(random.Next(8) == 0 ? random.Next(256) : 0);
            BinaryPrimitives.WriteUInt32LittleEndian(command.AsSpan(4), random.Next(4) == 0 ? uint.MaxValue : 1);
            BinaryPrimitives.WriteUInt64LittleEndian(command.AsSpan(24), (ulong)random.Next(0x20_0000, 0x110_0000) & ~(ulong)random.Next(4096));
            BinaryPrimitives.WriteUInt64LittleEndian(command.AsSpan(32), (ulong)random.Next(0x20_0000, 0x110_0000) & ~(ulong)random.Next(4096));
            for (int dword = 40; dword < 64; dword += 4)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(command.AsSpan(dword), (uint)random.Next() & (uint)random.Next() >> random.Next(32));
            }

            int queue = random.Next(4) == 0 && command[0] is not (0 or 1 or 4 or 5) ? 0 : 1;
            _driver.Submit(queue, command);
            _driver.Board.RunPosted();
            while (_driver.TryTake(0) is not null || _driver.TryTake(1) is not null)
            {
            }
        }

        Assert.Equal(1u, _driver.Status);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Hostile_state_is_refused_or_harmless(int seed)
    {
        var random = new Random(seed);
        int refused = 0;
        for (int i = 0; i < 500; i++)
        {
            var state = StateRecord.Save(_driver.Device);
            var section = state.SectionAt(random.Next(1, 6));
            while (section.Fields.Count > 0 && section.Fields.ElementAt(random.Next(section.Fields.Count)) is var field)
            {
                try
                {
                    section.Replace(field, (ulong)random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(64));
                    break;
                }
                catch (ArgumentException)
                {
                    section = section.SectionAt(field);
                }
            }

            var other = new NvmeDriver(_disk);
            try
            {
                state.Restore(other.Device);
            }
            catch (StateException)
            {
                refused++;
                continue;
            }

            RegisterFuzz.Run(other.Board, seed + i, 50);
        }

        Assert.InRange(refused, 1, 499);
    }

    /// <summary>A transfer of consecutive pages, with a list where one is needed.</summary>
    private Completion Transfer(byte opcode, ulong lba, int blocks, ulong address)
    {
        ulong first = (address | 0xfff) + 1;
        int rest = (blocks * 512) - (int)(first - address);
        ulong prp2 = 0;
        if (rest > 4096)
        {
            int pages = (rest + 4095) / 4096;
            WriteList(List, [.. Enumerable.Range(0, pages).Select(i => first + ((ulong)i * 4096))]);
            prp2 = List;
            if (pages > 512)
            {
                // One page of list has no room for all: the last entry moves on.
                ulong last = _driver.Board.Memory.Read64(List + (511 * 8));
                _driver.Board.Memory.Write64(List + (511 * 8), List + 0x2000);
                WriteList(List + 0x2000, [last, .. Enumerable.Range(512, pages - 512).Select(i => first + ((ulong)i * 4096))]);
            }
        }
        else if (rest > 0)
        {
            prp2 = first;
        }

        return _driver.Run(1, NvmeDriver.Transfer(opcode, lba, blocks, address, prp2));
    }

    private byte[] Bytes(ulong address, int length) => _driver.Board.Memory.Bytes.Slice((int)address, length).ToArray();

    private void WriteList(ulong address, ulong[] entries)
    {
        for (int i = 0; i < entries.Length; i++)
        {
            _driver.Board.Memory.Write64(address + ((ulong)i * 8), entries[i]);
        }
    }

    private void WriteRanges(params (ulong First, uint Count)[] ranges)
    {
        for (int i = 0; i < ranges.Length; i++)
        {
            _driver.Board.Memory.Write64(List + ((ulong)i * 16), (ulong)ranges[i].Count << 32);
            _driver.Board.Memory.Write64(List + ((ulong)i * 16) + 8, ranges[i].First);
        }
    }
}
