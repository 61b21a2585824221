namespace Vmm.Kernel.Tests;

public sealed class SpaceTests : IDisposable
{
    private readonly TestBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void A_port_nobody_claims_reads_as_all_ones()
    {
        Assert.Equal(0xFFu, _bench.Machine.Ports.Read(0x10, 1));
        Assert.Equal(0xFFFFu, _bench.Machine.Ports.Read(0x10, 2));
        Assert.Equal(0xFFFF_FFFFu, _bench.Machine.Ports.Read(0xFFFF, 4));
        Assert.Equal(3, _bench.Machine.Ports.Unanswered);
    }

    [Fact]
    public void A_wide_port_access_is_split_into_implemented_widths()
    {
        TestDevice device = ClaimPorts("uart", 0x3F8, 8, AccessWidths.Byte, (offset, _) => 0x10 + offset);
        Assert.Equal(0x1110u, _bench.Machine.Ports.Read(0x3F8, 2));
        _bench.Machine.Ports.Write(0x3F8, 4, 0x4433_2211);
        Assert.Equal(["r1@0", "r1@1", "w1@0=11", "w1@1=22", "w1@2=33", "w1@3=44"], device.Accesses);
    }

    [Fact]
    public void A_narrower_access_than_implemented_gets_no_response()
    {
        TestDevice device = ClaimPorts("pm", 0x608, 4, AccessWidths.DoubleWord, (_, _) => 0x1234_5678);
        Assert.Equal(0xFFu, _bench.Machine.Ports.Read(0x608, 1));
        _bench.Machine.Ports.Write(0x608, 2, 1);
        Assert.Equal(0x1234_5678u, _bench.Machine.Ports.Read(0x608, 4));
        Assert.Equal(["r4@0"], device.Accesses);
    }

    [Fact]
    public void A_wide_access_across_two_devices_reaches_both()
    {
        ClaimPorts("low", 0x92, 1, AccessWidths.Byte, (_, _) => 0xAA);
        ClaimPorts("high", 0x93, 1, AccessWidths.Byte, (_, _) => 0xBB);
        Assert.Equal(0xBBAAu, _bench.Machine.Ports.Read(0x92, 2));
        Assert.Equal(0xAAFFu, _bench.Machine.Ports.Read(0x91, 2));
    }

    [Fact]
    public void An_access_across_the_end_of_the_port_space_gets_no_response()
    {
        TestDevice device = ClaimPorts("last", 0xFFFF, 1, AccessWidths.Byte, (_, _) => 0);
        Assert.Equal(0xFFFFu, _bench.Machine.Ports.Read(0xFFFF, 2));
        Assert.Empty(device.Accesses);
    }

    [Fact]
    public void The_value_of_a_write_has_no_bits_above_its_width()
    {
        TestDevice device = ClaimPorts("d", 0x10, 4, AccessWidths.AnyPort, (_, _) => ulong.MaxValue);
        _bench.Machine.Ports.Write(0x10, 1, 0xFFFF_FF12);
        Assert.Equal(0xFFFFu, _bench.Machine.Ports.Read(0x10, 2));
        Assert.Equal("w1@0=12", device.Accesses[0]);
    }

    [Fact]
    public void A_misaligned_memory_access_is_split_into_aligned_ones()
    {
        TestDevice device = ClaimMemory("d", 0x1000_0000, 0x100, AccessWidths.Any, (offset, width) => width == AccessWidth.Byte ? offset : 0xDEAD);
        Assert.Equal(0x0403_0201UL, _bench.Machine.Mmio.Read(0x1000_0001, 4) & 0xFFFF_FFFF);
        Assert.Equal(["r1@1", "r1@2", "r1@3", "r1@4"], device.Accesses);
    }

    [Fact]
    public void A_quad_word_on_a_double_word_device_becomes_two()
    {
        TestDevice device = ClaimMemory("hpet", 0xFED0_0000, 0x400, AccessWidths.DoubleWord, (offset, _) => offset == 0 ? 1UL : 2UL);
        Assert.Equal(0x2_0000_0001UL, _bench.Machine.Mmio.Read(0xFED0_0000, 8));
        Assert.Equal(["r4@0", "r4@4"], device.Accesses);
    }

    [Fact]
    public void A_device_that_throws_is_dead_and_named_once()
    {
        TestDevice device = ClaimPorts("bad", 0x200, 2, AccessWidths.Byte, (_, _) => throw new InvalidOperationException("broken"));
        Assert.Equal(0xFFu, _bench.Machine.Ports.Read(0x200, 1));
        Assert.Equal(0xFFu, _bench.Machine.Ports.Read(0x200, 1));
        Assert.Single(device.Accesses);
        var errors = _bench.Log.Messages.Where(m => m.Level == DeviceLogLevel.Error).ToList();
        Assert.Contains("'bad' (test-device)", Assert.Single(errors).Message);
        Assert.Contains("0x200", errors[0].Message);
    }

    [Fact]
    public void Every_collision_is_reported_at_once_with_both_owners_and_ranges()
    {
        ClaimPorts("com1", 0x3F8, 8, AccessWidths.Byte, (_, _) => 0);
        ClaimPorts("com2", 0x3FF, 8, AccessWidths.Byte, (_, _) => 0);
        ClaimMemory("fb", 0xA000_0000, 0x1000, AccessWidths.Any, (_, _) => 0);
        ClaimMemory("nic", 0xA000_0800, 0x1000, AccessWidths.Any, (_, _) => 0);
        ClaimMemory("in-ram", 0x1000, 0x1000, AccessWidths.Any, (_, _) => 0);

        var exception = Assert.Throws<ResourceConflictException>(_bench.Machine.AttachDevices);
        Assert.Equal(3, exception.Conflicts.Count);
        Assert.Contains("'com1' (test-device) region 'com1' at ports 0x3f8-0x3ff", exception.Message);
        Assert.Contains("'com2' (test-device) region 'com2' at ports 0x3ff-0x406", exception.Message);
        Assert.Contains("'nic'", exception.Message);
        Assert.Contains("memory region 'ram'", exception.Message);
    }

    [Fact]
    public void A_moved_region_answers_at_its_new_place_only()
    {
        IRegionClaim? claim = null;
        var device = new TestDevice { OnRead = (_, _) => 0x55 };
        _bench.AddDevice("bar", context =>
        {
            claim = context.Ports.Claim("bar", 0x1000, 4, AccessWidths.AnyPort, device);
            return device;
        });
        Assert.True(claim!.Move(0x2000));
        Assert.Equal(0xFFu, _bench.Machine.Ports.Read(0x1000, 1));
        Assert.Equal(0x55u, _bench.Machine.Ports.Read(0x2000, 1));
        claim.Enabled = false;
        Assert.Equal(0xFFu, _bench.Machine.Ports.Read(0x2000, 1));
        claim.Enabled = true;
        Assert.Equal(0x55u, _bench.Machine.Ports.Read(0x2000, 1));
        claim.Dispose();
        claim.Enabled = true;
        Assert.Equal(0xFFu, _bench.Machine.Ports.Read(0x2000, 1));
    }

    [Fact]
    public void A_region_moved_onto_another_is_mapped_nowhere()
    {
        ClaimMemory("there", 0x8000_0000, 0x1000, AccessWidths.Any, (_, _) => 1);
        IRegionClaim claim = _bench.Machine.CreateDeviceContext("bar").Mmio.Claim("bar", 0x9000_0000, 0x1000, AccessWidths.Any, new TestDevice { OnRead = (_, _) => 2 });
        Assert.False(claim.Move(0x8000_0800));
        Assert.Equal(0xFFUL, _bench.Machine.Mmio.Read(0x9000_0000, 1));
        Assert.Equal(1UL, _bench.Machine.Mmio.Read(0x8000_0800, 1));
        Assert.True(claim.Move(0xA000_0000));
        Assert.Equal(2UL, _bench.Machine.Mmio.Read(0xA000_0000, 1));
    }

    [Fact]
    public void A_port_may_be_claimed_to_the_last_and_no_further()
    {
        IPortSpace ports = _bench.Machine.CreateDeviceContext("d").Ports;
        ports.Claim("last", 0xFFFF, 1, AccessWidths.Byte, new TestDevice());
        Assert.Throws<ArgumentOutOfRangeException>(() => ports.Claim("beyond", 0xFFFE, 3, AccessWidths.Byte, new TestDevice()));
        Assert.Throws<ArgumentException>(() => ports.Claim("wide", 0, 8, AccessWidths.QuadWord, new TestDevice()));
    }

    private TestDevice ClaimPorts(string name, ushort port, int length, AccessWidths widths, Func<ulong, AccessWidth, ulong> read)
    {
        var device = new TestDevice { OnRead = read };
        DeviceContext context = _bench.AddDevice(name, _ => device);
        context.Ports.Claim(name, port, length, widths, device);
        return device;
    }

    private TestDevice ClaimMemory(string name, ulong address, ulong length, AccessWidths widths, Func<ulong, AccessWidth, ulong> read)
    {
        var device = new TestDevice { OnRead = read };
        DeviceContext context = _bench.AddDevice(name, _ => device);
        context.Mmio.Claim(name, address, length, widths, device);
        return device;
    }
}
