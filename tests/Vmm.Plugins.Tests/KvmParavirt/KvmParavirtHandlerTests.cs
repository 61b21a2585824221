using System.Text;
using Vmm.Plugins.KvmParavirt;
using Vmm.Sdk;
using Vmm.Sdk.Testing;

namespace Vmm.Plugins.Tests.KvmParavirt;

public sealed class KvmParavirtHandlerTests
{
    private const uint WallClock = 0x4b564d00, SystemTime = 0x4b564d01, OldWallClock = 0x11, OldSystemTime = 0x12;
    private const ulong Area = 0x2000;

    private readonly FakeBoard _board = new();
    private readonly FakeVcpu _vcpu;
    private readonly KvmParavirtHandler _handler;

    public KvmParavirtHandlerTests()
    {
        _vcpu = new FakeVcpu(_board);
        _handler = new KvmParavirtHandler(_board.Clock);
    }

    [Fact]
    public void Registers_versions_and_the_common_reference_point_are_state()
    {
        Assert.True(_handler.Write(_vcpu, SystemTime, Area | 1));
        Assert.True(_handler.Write(_vcpu, WallClock, Area + 64));
        _board.Clock.Advance(1_000);
        var other = new KvmParavirtHandler(_board.Clock);
        StateRoundTrip.Check(_handler, other);
        Assert.True(other.Read(_vcpu, SystemTime, out ulong address));
        Assert.Equal(Area | 1, address);
    }

    [Fact]
    public void The_signature_is_kvms()
    {
        var result = Cpuid(0x40000000);

        byte[] text = [.. BitConverter.GetBytes(result.Ebx), .. BitConverter.GetBytes(result.Ecx), .. BitConverter.GetBytes(result.Edx)];
        Assert.Equal("KVMKVMKVM\0\0\0", Encoding.ASCII.GetString(text));
        Assert.Equal(0x40000010u, result.Eax);
    }

    [Fact]
    public void The_clock_is_offered_and_steal_time_and_asynchronous_faults_are_not()
    {
        uint features = Cpuid(0x40000001).Eax;

        Assert.Equal((1u << 0) | (1 << 1) | (1 << 3) | (1 << 24), features);
    }

    [Fact]
    public void The_timing_leaf_gives_the_counters_frequency_in_kilohertz() =>
        Assert.Equal(2_000_000u, Cpuid(0x40000010).Eax);

    [Fact]
    public void Leaves_between_are_zero() => Assert.Equal(default, Cpuid(0x40000005));

    [Fact]
    public void The_hypervisor_bit_is_set_and_the_rest_of_leaf_1_kept()
    {
        var result = new CpuidResult(1, 2, 3, 4);

        _handler.Adjust(_vcpu, 1, 0, ref result);

        Assert.Equal(new CpuidResult(1, 2, 0x80000003, 4), result);
    }

    [Theory]
    [InlineData(SystemTime)]
    [InlineData(OldSystemTime)]
    public void The_guest_computes_the_virtual_time_from_the_structure(uint msr)
    {
        _board.Clock.Advance(5_000_000_000);
        Assert.True(_handler.Write(_vcpu, msr, Area | 1));

        _board.Clock.Advance(12_345_678_901);

        Assert.InRange(GuestTime(_vcpu), _board.Clock.NowNanoseconds - 4, _board.Clock.NowNanoseconds);
        Assert.True(_handler.Read(_vcpu, msr, out ulong value));
        Assert.Equal(Area | 1, value);
    }

    [Theory]
    [InlineData(100_000_000ul)]
    [InlineData(999_999_999ul)]
    [InlineData(1_000_000_000ul)]
    [InlineData(1_000_000_001ul)]
    [InlineData(2_495_998_000ul)]
    [InlineData(6_000_000_000ul)]
    public void Any_frequency_of_the_counter_is_scaled_within_a_microsecond_a_day(ulong frequency)
    {
        var vcpu = new FakeVcpu(_board, frequency: frequency);
        Assert.True(_handler.Write(vcpu, SystemTime, Area | 1));

        const long Day = 24L * 3600 * 1_000_000_000;
        _board.Clock.Advance(Day);

        Assert.InRange(GuestTime(vcpu), Day - 100_000, Day);
        Assert.True((_board.Memory.Read32(Area + 24) & 0x8000_0000) != 0, "the multiplier uses all its bits");
    }

    [Fact]
    public void The_version_is_even_and_grows_with_each_publication()
    {
        Assert.True(_handler.Write(_vcpu, SystemTime, Area | 1));
        Assert.Equal(2u, _board.Memory.Read32(Area));

        Assert.True(_handler.Write(_vcpu, SystemTime, Area | 1));
        Assert.Equal(4u, _board.Memory.Read32(Area));
    }

    [Fact]
    public void Processors_share_one_reference_point_and_say_so()
    {
        var other = new FakeVcpu(_board, index: 1);
        Assert.True(_handler.Write(_vcpu, SystemTime, Area | 1));
        _board.Clock.Advance(1_234_567);
        Assert.True(_handler.Write(other, SystemTime, (Area + 64) | 1));

        Assert.Equal(_board.Memory.Read64(Area + 8), _board.Memory.Read64(Area + 64 + 8));
        Assert.Equal(_board.Memory.Read64(Area + 16), _board.Memory.Read64(Area + 64 + 16));
        Assert.Equal(1, _board.Memory.Bytes[(int)Area + 64 + 29]);
    }

    [Fact]
    public void A_processor_whose_counter_was_written_gets_a_reference_point_of_its_own()
    {
        var other = new FakeVcpu(_board, index: 1) { TimestampOffset = 0 };
        _board.Clock.Advance(1_000_000_000);
        Assert.True(_handler.Write(_vcpu, SystemTime, Area | 1));
        other.TimestampOffset = 1UL << 40;
        Assert.True(_handler.Write(other, SystemTime, (Area + 64) | 1));

        _board.Clock.Advance(1_000_000);

        Assert.Equal(0, _board.Memory.Bytes[(int)Area + 64 + 29]);
        Assert.InRange(GuestTime(other, Area + 64), _board.Clock.NowNanoseconds - 4, _board.Clock.NowNanoseconds);
    }

    /// <summary>A counter that ran on while virtual time stood still, as the host's does.</summary>
    [Fact]
    public void When_time_goes_on_the_processors_get_a_new_common_reference_point()
    {
        var other = new FakeVcpu(_board, index: 1);
        Assert.True(_handler.Write(_vcpu, SystemTime, Area | 1));
        Assert.True(_handler.Write(other, SystemTime, (Area + 64) | 1));
        _board.Clock.Advance(1_000_000_000);
        _vcpu.TimestampOffset += 1UL << 40;
        other.TimestampOffset += 1UL << 40;
        _handler.TimestampChanged(_vcpu, TimestampChange.Continued);
        _handler.TimestampChanged(other, TimestampChange.Continued);

        _board.Clock.Advance(2_000_000);

        foreach (var (vcpu, area) in ((FakeVcpu, ulong)[])[(_vcpu, Area), (other, Area + 64)])
        {
            Assert.InRange(GuestTime(vcpu, area), _board.Clock.NowNanoseconds - 4, _board.Clock.NowNanoseconds);
            Assert.Equal(1, _board.Memory.Bytes[(int)area + 29]);
            Assert.Equal(4u, _board.Memory.Read32(area));
        }

        Assert.Equal(_board.Memory.Read64(Area + 8), _board.Memory.Read64(Area + 64 + 8));
    }

    [Theory]
    [InlineData(1_000_000_000ul)]
    [InlineData(3_100_000_000ul)]
    public void A_guest_that_moved_to_a_counter_of_another_frequency_computes_the_same_time(ulong frequency)
    {
        Assert.True(_handler.Write(_vcpu, SystemTime, Area | 1));
        _board.Clock.Advance(1_234_567_891);
        var moved = new FakeVcpu(_board, frequency: frequency) { TimestampOffset = 7_000_000_000 };
        var other = new KvmParavirtHandler(_board.Clock);
        StateRoundTrip.Check(_handler, other);
        other.TimestampChanged(moved, TimestampChange.Continued);

        _board.Clock.Advance(2_000_000_000);

        Assert.InRange(GuestTime(moved), _board.Clock.NowNanoseconds - 4, _board.Clock.NowNanoseconds);
        Assert.Equal(1, _board.Memory.Bytes[(int)Area + 29]);
    }

    [Fact]
    public void A_counter_that_the_guest_writes_gets_a_reference_point_of_its_own_at_once_and_keeps_one()
    {
        var other = new FakeVcpu(_board, index: 1);
        Assert.True(_handler.Write(_vcpu, SystemTime, Area | 1));
        Assert.True(_handler.Write(other, SystemTime, (Area + 64) | 1));
        ulong common = _board.Memory.Read64(Area + 8);
        _board.Clock.Advance(1_000_000);
        other.TimestampOffset = 1UL << 40;
        _handler.TimestampChanged(other, TimestampChange.Written);
        _handler.TimestampChanged(other, TimestampChange.Continued);
        _handler.TimestampChanged(_vcpu, TimestampChange.Continued);
        _board.Clock.Advance(1_000_000);

        Assert.InRange(GuestTime(other, Area + 64), _board.Clock.NowNanoseconds - 4, _board.Clock.NowNanoseconds);
        Assert.Equal(0, _board.Memory.Bytes[(int)Area + 64 + 29]);
        Assert.Equal(common, _board.Memory.Read64(Area + 8));
    }

    /// <summary>Where the structure stood is the next guest's memory.</summary>
    [Fact]
    public void After_a_reset_nothing_is_published_any_more()
    {
        Assert.True(_handler.Write(_vcpu, SystemTime, Area | 1));
        _handler.TimestampChanged(_vcpu, TimestampChange.Reset);
        _board.Memory.Bytes.Slice((int)Area, 32).Clear();
        _handler.TimestampChanged(_vcpu, TimestampChange.Continued);

        Assert.Equal(0u, _board.Memory.Read32(Area));
        Assert.True(_handler.Read(_vcpu, SystemTime, out ulong value));
        Assert.Equal(0ul, value);
    }

    [Theory]
    [InlineData(WallClock)]
    [InlineData(OldWallClock)]
    public void The_wall_clock_is_the_time_of_day_at_time_0(uint msr)
    {
        _board.Clock.WallClockAtStart = 1_700_000_000_123_456_789;
        _board.Clock.Advance(77_000_000_000);

        Assert.True(_handler.Write(_vcpu, msr, Area));

        Assert.Equal(2u, _board.Memory.Read32(Area));
        Assert.Equal(1_700_000_000u, _board.Memory.Read32(Area + 4));
        Assert.Equal(123_456_789u, _board.Memory.Read32(Area + 8));
    }

    [Fact]
    public void Without_the_enable_bit_nothing_is_written()
    {
        Assert.True(_handler.Write(_vcpu, SystemTime, Area));

        Assert.Equal(0u, _board.Memory.Read32(Area));
    }

    [Theory]
    [InlineData(SystemTime, 0xffff_ffff_ffff_fff1)]
    [InlineData(SystemTime, 0x00ff_ffe5)]
    [InlineData(WallClock, 0xffff_ffff_ffff_ff00)]
    [InlineData(WallClock, 0x00ff_fff8)]
    public void A_structure_outside_memory_is_a_general_protection_fault(uint msr, ulong value) =>
        Assert.False(_handler.Write(_vcpu, msr, value));

    [Fact]
    public void Every_processor_has_registers_of_its_own()
    {
        _handler.Write(_vcpu, SystemTime, Area | 1);

        Assert.True(_handler.Read(new FakeVcpu(_board, index: 1), SystemTime, out ulong value));
        Assert.Equal(0ul, value);
    }

    [Theory]
    [InlineData(1ul, 0L)]
    [InlineData(5ul, 0L)]
    [InlineData(2ul, -1000L)]
    [InlineData(9ul, -1000L)]
    [InlineData(63ul, -1000L)]
    public void Hypercalls_are_answered(ulong call, long expected)
    {
        var registers = new GuestRegisters { Rax = call };

        Assert.Equal(unchecked((ulong)expected), _handler.Call(_vcpu, ref registers));
    }

    [Fact]
    public void Hypercalls_of_user_mode_are_not_permitted()
    {
        var registers = new GuestRegisters { Rax = 5 };

        Assert.Equal(ulong.MaxValue, _handler.Call(new FakeVcpu(_board) { PrivilegeLevel = 3 }, ref registers));
    }

    /// <summary>The computation of the guest (struct pvclock_vcpu_time_info in arch/x86/include/asm/pvclock-abi.h).</summary>
    private long GuestTime(FakeVcpu vcpu, ulong area = Area)
    {
        ulong delta = vcpu.TimestampCounter - _board.Memory.Read64(area + 8);
        int shift = (sbyte)_board.Memory.Bytes[(int)area + 28];
        delta = shift < 0 ? delta >> -shift : delta << shift;
        return (long)(_board.Memory.Read64(area + 16) + (ulong)(((UInt128)delta * _board.Memory.Read32(area + 24)) >> 32));
    }

    private CpuidResult Cpuid(uint leaf)
    {
        var result = new CpuidResult(9, 9, 9, 9);
        _handler.Adjust(_vcpu, leaf, 0, ref result);
        return result;
    }
}
