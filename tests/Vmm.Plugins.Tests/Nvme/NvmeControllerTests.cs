using Vmm.Plugins.MemoryStorage;
using Vmm.Plugins.Nvme;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.Nvme;

public sealed class NvmeControllerTests
{
    private readonly MemoryBackend _disk = new(new MemoryOptions { Size = 1 << 20 });
    private readonly NvmeDriver _driver;

    public NvmeControllerTests() => _driver = new NvmeDriver(_disk);

    [Fact]
    public void It_is_an_nvme_io_controller() => Assert.Equal(0x010802u, _driver.Device.Identity.ClassCode);

    [Fact]
    public void Capabilities_and_version_are_those_of_an_nvme_1_4_controller()
    {
        ulong capabilities = _driver.Board.Mmio.Read64(NvmeDriver.Registers);

        Assert.Equal(1023ul, capabilities & 0xffff);
        Assert.Equal(1ul, (capabilities >> 16) & 1);
        Assert.Equal(0ul, (capabilities >> 32) & 0xf);
        Assert.Equal(1ul, (capabilities >> 37) & 0xff);
        Assert.Equal(0ul, (capabilities >> 48) & 0xff);
        Assert.Equal(0x0001_0400u, _driver.Board.Mmio.Read32(NvmeDriver.Registers + 8));
        Assert.Equal((uint)(capabilities >> 32), _driver.Board.Mmio.Read32(NvmeDriver.Registers + 4));
    }

    [Fact]
    public void Enabling_makes_it_ready_and_disabling_makes_it_not()
    {
        Assert.Equal(0u, _driver.Status);
        _driver.Start();
        Assert.Equal(1u, _driver.Status);

        _driver.Board.Mmio.Write32(NvmeDriver.Registers + 0x14, 0x0046_0000);

        Assert.Equal(0u, _driver.Status);
        Assert.Equal(0x000f_000fu, _driver.Board.Mmio.Read32(NvmeDriver.Registers + 0x24));
        Assert.Equal(NvmeDriver.SubmissionAddress(0), _driver.Board.Mmio.Read64(NvmeDriver.Registers + 0x28));
        Assert.Equal(0u, _driver.Start().Status & 2);
    }

    [Theory]
    [InlineData(0x0046_0011u)]
    [InlineData(0x0046_0081u)]
    [InlineData(0x0046_0801u)]
    public void A_configuration_that_is_not_offered_is_a_fatal_status_until_the_reset(uint configuration)
    {
        _driver.Start(configuration: configuration);
        Assert.Equal(2u, _driver.Status);

        _driver.Board.Mmio.Write32(NvmeDriver.Registers + 0x14, 0);

        Assert.Equal(0u, _driver.Status);
        Assert.Equal(1u, _driver.Start().Status);
    }

    [Fact]
    public void Admin_queues_of_one_entry_are_a_fatal_status() => Assert.Equal(2u, _driver.Start(entries: 1).Status);

    [Fact]
    public void Commands_go_round_the_queues_many_times_with_right_phase_and_head()
    {
        _driver.Start();
        for (int i = 1; i <= 100; i++)
        {
            var completion = _driver.Admin(NvmeDriver.Command(0x0a, d10: 0x07));

            Assert.Equal(0, completion.Status);
            Assert.Equal(0x000f_000fu, completion.Result);
            Assert.Equal(i % NvmeDriver.Entries, completion.QueueHead);
            Assert.Equal(0, completion.QueueId);
        }

        Assert.Equal(100, _driver.Slot.MessageInterrupts!.Signals(0));
    }

    [Fact]
    public void A_batch_of_completions_is_one_interrupt()
    {
        _driver.Start();
        for (int i = 0; i < 5; i++)
        {
            _driver.Submit(0, NvmeDriver.Command(0x0a, d10: 0x07), ring: false);
        }

        _driver.Ring(0);

        Assert.Equal(1, _driver.Slot.MessageInterrupts!.Signals(0));
        Assert.All(Enumerable.Range(0, 5), _ => Assert.NotNull(_driver.TryTake(0)));
    }

    [Fact]
    public void Without_messages_the_pin_is_held_until_all_completions_are_taken()
    {
        _driver.Slot.MessageInterrupts!.Enabled = false;
        _driver.Start();
        _driver.Submit(0, NvmeDriver.Command(0x0a, d10: 0x07), ring: false);
        _driver.Submit(0, NvmeDriver.Command(0x0a, d10: 0x07));
        Assert.True(_driver.Slot.Pin.Asserted);

        _driver.Board.Mmio.Write32(NvmeDriver.Registers + 0x0c, 1);
        Assert.False(_driver.Slot.Pin.Asserted);
        Assert.Equal(1u, _driver.Board.Mmio.Read32(NvmeDriver.Registers + 0x10));
        _driver.Board.Mmio.Write32(NvmeDriver.Registers + 0x10, 1);
        Assert.True(_driver.Slot.Pin.Asserted);

        _driver.TryTake(0);
        Assert.True(_driver.Slot.Pin.Asserted);
        _driver.TryTake(0);
        Assert.False(_driver.Slot.Pin.Asserted);
    }

    [Fact]
    public void Commands_wait_when_the_completion_queue_is_full_and_go_on_when_it_drains()
    {
        _driver.Start().WithQueue(1, entries: 4);
        for (int i = 0; i < 3; i++)
        {
            _driver.Submit(1, NvmeDriver.Command(0x00, nsid: 1));
        }

        Assert.NotNull(_driver.TryTake(1, ring: false));
        Assert.NotNull(_driver.TryTake(1, ring: false));
        Assert.NotNull(_driver.TryTake(1, ring: false));
        ushort waiting = _driver.Submit(1, NvmeDriver.Command(0x00, nsid: 1));
        Assert.Null(_driver.TryTake(1, ring: false));

        _driver.RingHead(1);

        Assert.Equal(waiting, _driver.TryTake(1)!.Value.CommandId);
    }

    [Fact]
    public void A_submission_queue_outside_memory_is_a_fatal_status()
    {
        _driver.Start();
        _driver.Board.Mmio.Write32(NvmeDriver.Registers + 0x14, 0);
        _driver.Board.Mmio.Write64(NvmeDriver.Registers + 0x28, 0xffff_ffff_ffff_f000);
        _driver.Board.Mmio.Write32(NvmeDriver.Registers + 0x14, NvmeDriver.Enable);

        _driver.Ring(0);
        _driver.Board.Mmio.Write32(NvmeDriver.Registers + 0x1000, 1);

        Assert.Equal(3u, _driver.Status);
    }

    [Fact]
    public void A_completion_queue_outside_memory_is_a_fatal_status()
    {
        _driver.Start();
        _driver.Board.Mmio.Write32(NvmeDriver.Registers + 0x14, 0);
        _driver.Board.Mmio.Write64(NvmeDriver.Registers + 0x30, 0x1_0000_0000);
        _driver.Board.Mmio.Write32(NvmeDriver.Registers + 0x14, NvmeDriver.Enable);

        _driver.Submit(0, NvmeDriver.Command(0x0a, d10: 0x07));

        Assert.Equal(3u, _driver.Status);
    }

    [Fact]
    public void Nothing_is_fetched_while_bus_mastering_is_off()
    {
        _driver.Start();
        _driver.Slot.BusMasterEnabled = false;

        _driver.Submit(0, NvmeDriver.Command(0x0a, d10: 0x07));
        Assert.Null(_driver.TryTake(0));

        _driver.Slot.BusMasterEnabled = true;
        _driver.Ring(0);
        Assert.NotNull(_driver.TryTake(0));
    }

    [Theory]
    [InlineData(0x1000u, 16u, 0x0001_0100u)]
    [InlineData(0x1000u, 0xffff_ffffu, 0x0001_0100u)]
    [InlineData(0x1004u, 3u, 0x0001_0100u)]
    [InlineData(0x1008u, 0u, 0x0001_0000u)]
    [InlineData(0x3ffcu, 0u, 0x0001_0000u)]
    public void A_wrong_doorbell_is_reported_as_an_event_once_until_the_log_is_read(uint offset, uint value, uint expected)
    {
        _driver.Start();
        ushort request = _driver.Submit(0, NvmeDriver.Command(0x0c));
        ushort second = _driver.Submit(0, NvmeDriver.Command(0x0c));
        Assert.Null(_driver.TryTake(0));

        _driver.Board.Mmio.Write32(NvmeDriver.Registers + offset, value);
        var completion = _driver.TryTake(0)!.Value;
        Assert.Equal((request, (ushort)0, expected), (completion.CommandId, completion.Status, completion.Result));

        _driver.Board.Mmio.Write32(NvmeDriver.Registers + offset, value);
        Assert.Null(_driver.TryTake(0));

        Assert.Equal(0, _driver.Admin(NvmeDriver.Command(0x02, nsid: uint.MaxValue, prp1: 0x5000, d10: 0x01 | (15 << 16))).Status);
        _driver.Board.Mmio.Write32(NvmeDriver.Registers + offset, value);
        Assert.Equal(second, _driver.TryTake(0)!.Value.CommandId);
    }

    [Fact]
    public void An_event_without_a_request_waits_for_one()
    {
        _driver.Start();
        _driver.Board.Mmio.Write32(NvmeDriver.Registers + 0x1100, 0);
        Assert.Null(_driver.TryTake(0));

        Assert.Equal(0x0001_0000u, _driver.Admin(NvmeDriver.Command(0x0c)).Result);
    }

    [Fact]
    public void Waiting_event_requests_do_not_block_a_tiny_admin_queue_and_a_fifth_is_refused()
    {
        _driver.Start(entries: 2);
        for (int i = 0; i < 4; i++)
        {
            _driver.Submit(0, NvmeDriver.Command(0x0c));
        }

        Assert.Equal(0x105, _driver.Admin(NvmeDriver.Command(0x0c)).Status);
        Assert.Equal(0, _driver.Admin(NvmeDriver.Command(0x0a, d10: 0x07)).Status);
    }

    [Fact]
    public void A_shutdown_flushes_and_completes()
    {
        var disk = new GatedBackend();
        var driver = new NvmeDriver(disk).Start();

        driver.Board.Mmio.Write32(NvmeDriver.Registers + 0x14, NvmeDriver.Enable | (1 << 14));
        Assert.Equal(0b0101u, driver.Status);
        Assert.Equal(1, disk.Requests);

        disk.Finish(0);
        Assert.True(driver.Board.RunPostedUntil(() => driver.Status == 0b1001, TimeSpan.FromSeconds(10)));

        driver.Board.Mmio.Write32(NvmeDriver.Registers + 0x14, 0);
        Assert.Equal(0u, driver.Status);
    }

    [Fact]
    public void A_reset_stays_unready_until_the_backend_let_go_of_guest_memory()
    {
        var disk = new GatedBackend();
        var driver = new NvmeDriver(disk).Start().WithQueue();
        driver.Submit(1, NvmeDriver.Transfer(0x02, 0, 1, 0x5000));
        Assert.Equal(1, disk.Requests);

        driver.Board.Mmio.Write32(NvmeDriver.Registers + 0x14, 0);
        Assert.Equal(1u, driver.Status);
        Assert.True(disk.LastCancellation.IsCancellationRequested);

        disk.Finish(0, BlockStatus.Cancelled);
        Assert.True(driver.Board.RunPostedUntil(() => driver.Status == 0, TimeSpan.FromSeconds(10)));
        driver.Start();
        Assert.Equal(0, driver.Admin(NvmeDriver.Command(0x0a, d10: 0x07)).Status);
    }

    [Fact]
    public void A_machine_reset_forgets_what_the_backend_still_does()
    {
        var disk = new GatedBackend();
        var driver = new NvmeDriver(disk).Start().WithQueue();
        driver.Submit(1, NvmeDriver.Transfer(0x02, 0, 1, 0x5000));

        driver.Device.Reset(ResetKind.System);
        Assert.Equal(0u, driver.Status);
        driver.Start().WithQueue();
        disk.Finish(0);
        driver.Board.RunPosted();

        Assert.Null(driver.TryTake(1));
        Assert.Equal(1u, driver.Status);
    }

    [Fact]
    public void The_serial_number_must_fit()
    {
        var error = Assert.Throws<ArgumentException>(() => new NvmeDriver(_disk, new NvmeOptions { Serial = "much too long to be one" }));

        Assert.Contains("1 to 20 printable", error.Message);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void No_register_access_makes_it_throw(int seed)
    {
        _driver.Start().WithQueue();
        RegisterFuzz.Run(_driver.Board, seed, 20_000);
    }
}
