using System.Buffers.Binary;
using System.Text;
using Vmm.Plugins.MemoryStorage;
using Vmm.Plugins.Nvme;

namespace Vmm.Plugins.Tests.Nvme;

public sealed class NvmeAdminTests
{
    private const ulong Data = 0x5000;

    private readonly NvmeDriver _driver = new NvmeDriver(new MemoryBackend(new MemoryOptions { Size = 1 << 20 })).Start();

    [Fact]
    public void Identify_controller_describes_what_the_controller_does()
    {
        byte[] data = Identify(cns: 1);

        Assert.Equal("test-1              ", Encoding.ASCII.GetString(data, 4, 20));
        Assert.Equal(9, data[77]);
        Assert.Equal(0x0001_0400u, BinaryPrimitives.ReadUInt32LittleEndian(data.AsSpan(80)));
        Assert.Equal(1, data[111]);
        Assert.Equal(0x66, data[512]);
        Assert.Equal(0x44, data[513]);
        Assert.Equal(1u, BinaryPrimitives.ReadUInt32LittleEndian(data.AsSpan(516)));
        Assert.Equal(0x0c, BinaryPrimitives.ReadUInt16LittleEndian(data.AsSpan(520)));
        Assert.Equal(0x07, data[525]);
        Assert.StartsWith("nqn.2014-08.org.nvmexpress:uuid:", Encoding.ASCII.GetString(data, 768, 256));
    }

    [Fact]
    public void Identify_namespace_gives_size_and_block_size()
    {
        byte[] data = Identify(cns: 0, nsid: 1);

        Assert.Equal(2048ul, BinaryPrimitives.ReadUInt64LittleEndian(data));
        Assert.Equal(2048ul, BinaryPrimitives.ReadUInt64LittleEndian(data.AsSpan(8)));
        Assert.Equal(1ul << 20, BinaryPrimitives.ReadUInt64LittleEndian(data.AsSpan(48)));
        Assert.Equal(0, data[99]);
        Assert.Equal(9, data[130]);
    }

    [Fact]
    public void A_read_only_disk_is_a_write_protected_namespace_of_its_block_size()
    {
        var driver = new NvmeDriver(new GatedBackend { Geometry = new(4096, 100, ReadOnly: true) }).Start();

        Assert.Equal(0, driver.Admin(NvmeDriver.Command(0x06, nsid: 1, prp1: Data)).Status);

        Assert.Equal(1, driver.Board.Memory.Bytes[(int)Data + 99]);
        Assert.Equal(12, driver.Board.Memory.Bytes[(int)Data + 130]);
    }

    [Fact]
    public void The_namespace_list_holds_the_one_after_the_given()
    {
        Assert.Equal(1u, BinaryPrimitives.ReadUInt32LittleEndian(Identify(cns: 2)));
        Assert.Equal(0u, BinaryPrimitives.ReadUInt32LittleEndian(Identify(cns: 2, nsid: 1)));
        Assert.Equal(0x00b, _driver.Admin(NvmeDriver.Command(0x06, nsid: 0xffff_fffe, prp1: Data, d10: 2)).Status);
    }

    [Fact]
    public void The_descriptor_is_a_uuid_that_depends_on_the_serial_number()
    {
        byte[] data = Identify(cns: 3, nsid: 1);

        Assert.Equal([3, 16, 0, 0], data[..4]);
        Assert.Equal(0x80, data[4 + 6] & 0xf0);
        Assert.Equal(0x80, data[4 + 8] & 0xc0);
        Assert.Equal(0, data[20]);
        var other = new NvmeDriver(new GatedBackend(), new NvmeOptions { Serial = "test-2" }).Start();
        other.Admin(NvmeDriver.Command(0x06, nsid: 1, prp1: Data, d10: 3));
        Assert.NotEqual(data[4..20], other.Board.Memory.Bytes.Slice((int)Data + 4, 16).ToArray());
    }

    [Theory]
    [InlineData(0u, 0u, 0x00b)]
    [InlineData(0u, 2u, 0x00b)]
    [InlineData(0u, uint.MaxValue, 0x00b)]
    [InlineData(3u, 7u, 0x00b)]
    [InlineData(0x7fu, 1u, 0x002)]
    public void Identify_refuses_what_is_not_there(uint cns, uint nsid, int status)
    {
        var completion = _driver.Admin(NvmeDriver.Command(0x06, nsid, prp1: Data, d10: cns));

        Assert.Equal(status, completion.Status);
        Assert.True(completion.DoNotRetry);
    }

    [Fact]
    public void An_unknown_opcode_a_fused_command_and_a_scatter_gather_list_are_refused()
    {
        Assert.Equal(0x001, _driver.Admin(NvmeDriver.Command(0xc0)).Status);
        Assert.Equal(0x002, _driver.Admin(With(NvmeDriver.Command(0x0a, d10: 7), 0x01)).Status);
        Assert.Equal(0x002, _driver.Admin(With(NvmeDriver.Command(0x0a, d10: 7), 0x40)).Status);

        static byte[] With(byte[] command, byte flags)
        {
            command[1] = flags;
            return command;
        }
    }

    [Theory]
    [InlineData(0, 16, 3u, 0x101)]
    [InlineData(17, 16, 3u, 0x101)]
    [InlineData(0xffff, 16, 3u, 0x101)]
    [InlineData(1, 1, 3u, 0x102)]
    [InlineData(1, 1025, 3u, 0x102)]
    [InlineData(1, 16, 2u, 0x002)]
    public void A_completion_queue_with_wrong_parameters_is_refused(int id, int entries, uint flags, int status) =>
        Assert.Equal(status, _driver.Admin(NvmeDriver.CreateCompletion(id, entries, flags, vector: 1, address: 0x8000)).Status);

    [Fact]
    public void A_completion_queue_needs_an_existing_vector_and_an_aligned_address()
    {
        Assert.Equal(0x108, _driver.Admin(NvmeDriver.CreateCompletion(1, 16, vector: 17)).Status);
        Assert.Equal(0x013, _driver.Admin(NvmeDriver.CreateCompletion(1, 16, address: 0x8010)).Status);
        _driver.Slot.MessageInterrupts!.Enabled = false;
        Assert.Equal(0x108, _driver.Admin(NvmeDriver.CreateCompletion(1, 16, vector: 1)).Status);
        Assert.Equal(0, _driver.Admin(NvmeDriver.CreateCompletion(1, 16, vector: 0)).Status);
    }

    [Fact]
    public void Queues_need_the_entry_sizes_in_the_configuration()
    {
        var driver = new NvmeDriver(new GatedBackend()).Start(configuration: 1);

        Assert.Equal(0x102, driver.Admin(NvmeDriver.CreateCompletion(1, 16)).Status);
        Assert.Equal(0x102, driver.Admin(NvmeDriver.CreateSubmission(1, 16)).Status);
    }

    [Fact]
    public void A_submission_queue_needs_its_completion_queue()
    {
        Assert.Equal(0x100, _driver.Admin(NvmeDriver.CreateSubmission(1, 16)).Status);
        Assert.Equal(0x100, _driver.Admin(NvmeDriver.CreateSubmission(1, 16, completions: 0)).Status);
        Assert.Equal(0x100, _driver.Admin(NvmeDriver.CreateSubmission(1, 16, completions: 0xffff)).Status);
        Assert.Equal(0, _driver.Admin(NvmeDriver.CreateCompletion(1, 16)).Status);
        Assert.Equal(0x101, _driver.Admin(NvmeDriver.CreateCompletion(1, 16)).Status);
        Assert.Equal(0, _driver.Admin(NvmeDriver.CreateSubmission(2, 16, completions: 1)).Status);
        Assert.Equal(0x101, _driver.Admin(NvmeDriver.CreateSubmission(2, 16, completions: 1)).Status);
    }

    [Fact]
    public void Queues_are_deleted_submission_first()
    {
        _driver.WithQueue();

        Assert.Equal(0x10c, _driver.Admin(NvmeDriver.Command(0x04, d10: 1)).Status);
        Assert.Equal(0, _driver.Admin(NvmeDriver.Command(0x00, d10: 1)).Status);
        Assert.Equal(0x101, _driver.Admin(NvmeDriver.Command(0x00, d10: 1)).Status);
        Assert.Equal(0, _driver.Admin(NvmeDriver.Command(0x04, d10: 1)).Status);
        Assert.Equal(0x101, _driver.Admin(NvmeDriver.Command(0x04, d10: 1)).Status);
        Assert.Equal(0x101, _driver.Admin(NvmeDriver.Command(0x00, d10: 0)).Status);
        Assert.Equal(0x101, _driver.Admin(NvmeDriver.Command(0x04, d10: 0)).Status);
        _driver.WithQueue();
    }

    [Fact]
    public void The_deletion_of_a_queue_waits_for_its_commands()
    {
        var disk = new GatedBackend();
        var driver = new NvmeDriver(disk).Start().WithQueue();
        ushort read = driver.Submit(1, NvmeDriver.Transfer(0x02, 0, 1, Data));

        ushort deletion = driver.Submit(0, NvmeDriver.Command(0x00, d10: 1));
        driver.Submit(1, NvmeDriver.Transfer(0x02, 0, 1, Data));
        Assert.Null(driver.TryTake(0));
        Assert.Equal(1, disk.Requests);
        disk.Finish(0);

        Assert.Equal(deletion, driver.Await(0).CommandId);
        Assert.Equal(read, driver.TryTake(1)!.Value.CommandId);
        Assert.Equal(0, driver.Admin(NvmeDriver.Command(0x04, d10: 1)).Status);
    }

    [Theory]
    [InlineData(0x01u, 0x0102_0305u)]
    [InlineData(0x05u, 0x0000_0064u)]
    [InlineData(0x06u, 0u)]
    [InlineData(0x08u, 0x0000_1234u)]
    [InlineData(0x09u, 0x0001_0003u)]
    [InlineData(0x0au, 1u)]
    [InlineData(0x0bu, 0x0000_0002u)]
    public void A_feature_that_is_set_is_got_and_a_reset_sets_it_back(uint feature, uint value)
    {
        uint before = Feature(feature, value & 0xffff);

        Assert.Equal(0, _driver.Admin(NvmeDriver.Command(0x09, nsid: uint.MaxValue, d10: feature, d11: value)).Status);
        Assert.Equal(value, Feature(feature, value & 0xffff));

        _driver.Board.Mmio.Write32(NvmeDriver.Registers + 0x14, 0);
        _driver.Start();
        Assert.Equal(before, Feature(feature, value & 0xffff));
    }

    [Theory]
    [InlineData(0x7fu, 0u, 0x002)]
    [InlineData(0x02u, 1u, 0x002)]
    [InlineData(0x04u, 0x0001_0100u, 0x002)]
    [InlineData(0x04u, 0x0020_0100u, 0x002)]
    [InlineData(0x05u, 0x0001_0000u, 0x002)]
    [InlineData(0x07u, 0xffffu, 0x002)]
    [InlineData(0x07u, 0xffff_0000u, 0x002)]
    [InlineData(0x09u, 17u, 0x002)]
    [InlineData(0x8000_0006u, 1u, 0x10d)]
    public void A_feature_that_cannot_be_set_so_is_refused(uint dword10, uint dword11, int status) =>
        Assert.Equal(status, _driver.Admin(NvmeDriver.Command(0x09, nsid: 1, d10: dword10, d11: dword11)).Status);

    [Fact]
    public void The_number_of_queues_is_asked_before_there_are_any()
    {
        Assert.Equal(0x000f_000fu, _driver.Admin(NvmeDriver.Command(0x09, d10: 7, d11: 0x003f_003f)).Result);
        _driver.WithQueue();

        Assert.Equal(0x00c, _driver.Admin(NvmeDriver.Command(0x09, d10: 7, d11: 0x0001_0001)).Status);
    }

    [Fact]
    public void Saved_and_default_values_of_features_cannot_be_selected() =>
        Assert.Equal(0x002, _driver.Admin(NvmeDriver.Command(0x0a, d10: 0x106)).Status);

    [Fact]
    public void A_temperature_threshold_that_is_crossed_is_a_warning_and_an_event()
    {
        ushort request = _driver.Submit(0, NvmeDriver.Command(0x0c));
        Assert.Equal(0, _driver.Admin(NvmeDriver.Command(0x09, d10: 0x0b, d11: 2)).Status);

        _driver.Submit(0, NvmeDriver.Command(0x09, d10: 0x04, d11: 300));

        Assert.Equal(0, _driver.Await(0).Status);
        var taken = _driver.Await(0);
        Assert.Equal((request, 0x0002_0101u), (taken.CommandId, taken.Result));
        Assert.Equal(1 << 1, LogPage(0x02, 512)[0]);
    }

    [Fact]
    public void The_health_log_counts_the_traffic()
    {
        _driver.WithQueue();
        _driver.Run(1, NvmeDriver.Transfer(0x01, 0, 8, 0x6000));
        _driver.Run(1, NvmeDriver.Transfer(0x02, 0, 8, 0x6000));
        _driver.Run(1, NvmeDriver.Transfer(0x02, 4096, 1, 0x6000));
        _driver.Board.Clock.Advance(2L * 3600 * 1_000_000_000);

        byte[] log = LogPage(0x02, 512);

        Assert.Equal(313, BinaryPrimitives.ReadUInt16LittleEndian(log.AsSpan(1)));
        Assert.Equal([1, 1, 1, 1, 2, 1], new[] { 32, 48, 64, 80, 128, 176 }.Select(at => BinaryPrimitives.ReadInt64LittleEndian(log.AsSpan(at))));
    }

    [Fact]
    public void The_error_log_has_the_newest_failure_first()
    {
        _driver.WithQueue();
        _driver.Admin(NvmeDriver.Command(0xc0));
        var failed = _driver.Run(1, NvmeDriver.Transfer(0x02, 0x1_0000_0007, 1, 0x6000));

        byte[] log = LogPage(0x01, 128);

        Assert.Equal(2ul, BinaryPrimitives.ReadUInt64LittleEndian(log));
        Assert.Equal(1, BinaryPrimitives.ReadUInt16LittleEndian(log.AsSpan(8)));
        Assert.Equal(failed.CommandId, BinaryPrimitives.ReadUInt16LittleEndian(log.AsSpan(10)));
        Assert.Equal(0x080, BinaryPrimitives.ReadUInt16LittleEndian(log.AsSpan(12)) >> 1);
        Assert.Equal(0x1_0000_0007ul, BinaryPrimitives.ReadUInt64LittleEndian(log.AsSpan(16)));
        Assert.Equal(1ul, BinaryPrimitives.ReadUInt64LittleEndian(log.AsSpan(64)));
    }

    [Fact]
    public void A_part_of_a_log_page_is_read_from_its_offset()
    {
        byte[] log = LogPage(0x03, 8, offset: 8);

        Assert.Equal("1.0     ", Encoding.ASCII.GetString(log));
    }

    [Theory]
    [InlineData(0x80u, 127u, 0u, uint.MaxValue, 0x109)]
    [InlineData(0x02u, 127u, 516u, uint.MaxValue, 0x002)]
    [InlineData(0x02u, 127u, 2u, uint.MaxValue, 0x002)]
    [InlineData(0x02u, 127u, 0u, 1u, 0x002)]
    [InlineData(0x02u, 0xfff_ffffu, 0u, uint.MaxValue, 0x002)]
    public void A_wrong_log_page_request_is_refused(uint page, uint dwords, uint offset, uint nsid, int status) =>
        Assert.Equal(status, _driver.Admin(NvmeDriver.Command(0x02, nsid, Data, 0, page | (dwords << 16), dwords >> 16, offset)).Status);

    [Fact]
    public void An_abort_is_answered_with_not_aborted() =>
        Assert.Equal(1u, _driver.Admin(NvmeDriver.Command(0x08, d10: 0x0005_0001)).Result);

    private byte[] Identify(uint cns, uint nsid = 0)
    {
        Assert.Equal(0, _driver.Admin(NvmeDriver.Command(0x06, nsid, prp1: Data, d10: cns)).Status);
        return _driver.Board.Memory.Bytes.Slice((int)Data, 4096).ToArray();
    }

    private byte[] LogPage(uint page, int length, uint offset = 0)
    {
        uint dwords = (uint)(length / 4) - 1;
        Assert.Equal(0, _driver.Admin(NvmeDriver.Command(0x02, uint.MaxValue, Data, 0, page | (dwords << 16), 0, offset)).Status);
        return _driver.Board.Memory.Bytes.Slice((int)Data, length).ToArray();
    }

    private uint Feature(uint feature, uint dword11)
    {
        var completion = _driver.Admin(NvmeDriver.Command(0x0a, nsid: 1, d10: feature, d11: dword11));
        Assert.Equal(0, completion.Status);
        return completion.Result;
    }
}
