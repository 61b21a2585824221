using System.Buffers.Binary;
using Vmm.Sdk;

namespace Vmm.Plugins.KvmParavirt;

/// <summary>
/// The clock that a guest computes from its time-stamp counter (Linux Documentation/virt/kvm/x86/msr.rst). All
/// processors get the same reference point, so that their times are comparable to the nanosecond.
/// </summary>
internal sealed class ParavirtualClock(IVirtualClock clock)
{
    /// <summary>struct pvclock_vcpu_time_info.</summary>
    private const int SystemTimeLength = 32;

    /// <summary>struct pvclock_wall_clock.</summary>
    private const int WallClockLength = 12;

    private const byte TimestampStable = 1 << 0;
    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <summary>A processor whose counter is further off than this has had it written by the guest.</summary>
    private const long ToleranceNanoseconds = 1_000_000;

    /// <summary>A common reference point that is further off than this is taken anew when time goes on.</summary>
    private const long DriftNanoseconds = 100_000;

    private const int Readings = 5;

    private readonly Lock _lock = new();
    private ReferencePoint? _common;

    private readonly record struct ReferencePoint(ulong Timestamp, long Nanoseconds);

    /// <summary>Publishes the time of a processor in guest memory.</summary>
    /// <param name="vcpu">The processor.</param>
    /// <param name="address">Where the structure stands.</param>
    /// <param name="version">Version of the structure: even, 2 more for each publication.</param>
    /// <param name="isCommon">Whether the reference point is that of all processors.</param>
    /// <returns>False when the structure is not in memory, or the processor has no counter.</returns>
    public bool TryPublish(IVirtualProcessor vcpu, ulong address, uint version, out bool isCommon)
    {
        isCommon = true;
        ulong frequency = vcpu.TimestampFrequency;
        if (frequency == 0)
        {
            return false;
        }

        var scale = ClockScale.From(frequency);
        (var point, isCommon) = ReferenceFor(vcpu, scale);

        Span<byte> info = stackalloc byte[SystemTimeLength];
        info.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(info[8..], point.Timestamp);
        BinaryPrimitives.WriteInt64LittleEndian(info[16..], point.Nanoseconds);
        BinaryPrimitives.WriteUInt32LittleEndian(info[24..], scale.Multiplier);
        info[28] = (byte)scale.Shift;
        info[29] = isCommon ? TimestampStable : (byte)0;
        return TryWriteVersioned(vcpu.Memory, address, info, version);
    }

    /// <summary>
    /// Time goes on: takes the common reference point anew where the counters have not stood still with the time, or count
    /// at another speed now. The processor that calls first does it for all.
    /// </summary>
    public void Continue(IVirtualProcessor vcpu)
    {
        if (vcpu.TimestampFrequency is var frequency and not 0)
        {
            lock (_lock)
            {
                var here = Read(vcpu);
                if (_common is { } common && Difference(common, here, ClockScale.From(frequency)) >= DriftNanoseconds)
                {
                    _common = here;
                }
            }
        }
    }

    /// <summary>Publishes the time of day at which the clock was 0.</summary>
    public bool TryPublishWallClock(IGuestMemory memory, ulong address, uint version)
    {
        long start = clock.WallClockNanoseconds - clock.NowNanoseconds;
        var (seconds, nanoseconds) = Math.DivRem(start, NanosecondsPerSecond);

        Span<byte> info = stackalloc byte[WallClockLength];
        BinaryPrimitives.WriteUInt32LittleEndian(info[4..], (uint)seconds);
        BinaryPrimitives.WriteUInt32LittleEndian(info[8..], (uint)nanoseconds);
        return TryWriteVersioned(memory, address, info, version);
    }

    public void Save(IStateWriter state)
    {
        if (_common is { } common)
        {
            state.UInt64(1, common.Timestamp);
            state.UInt64(2, (ulong)common.Nanoseconds);
        }
    }

    public void Restore(IStateReader state)
    {
        // A reference point at time 0 of both is one that no processor ever published.
        var common = new ReferencePoint(state.UInt64(1), (long)state.UInt64(2));
        _common = common == default ? null : common;
    }

    private (ReferencePoint Point, bool IsCommon) ReferenceFor(IVirtualProcessor vcpu, ClockScale scale)
    {
        lock (_lock)
        {
            var here = Read(vcpu);
            if (_common is not { } common)
            {
                _common = here;
                return (here, true);
            }

            return Difference(common, here, scale) < ToleranceNanoseconds ? (common, true) : (here, false);
        }
    }

    /// <summary>Counter and time of one moment: the closest of a few readings, as the host may pull any two apart.</summary>
    private ReferencePoint Read(IVirtualProcessor vcpu)
    {
        ReferencePoint closest = default;
        long width = long.MaxValue;
        for (int reading = 0; reading < Readings; reading++)
        {
            long before = clock.NowNanoseconds;
            ulong timestamp = vcpu.TimestampCounter;
            long between = clock.NowNanoseconds - before;
            if (between < width)
            {
                (closest, width) = (new ReferencePoint(timestamp, before + (between / 2)), between);
            }
        }

        return closest;
    }

    /// <summary>How far the time computed from a reference point is off, in nanoseconds.</summary>
    private static long Difference(ReferencePoint reference, ReferencePoint here, ClockScale scale)
    {
        ulong ticks = here.Timestamp - reference.Timestamp;
        return (long)ticks < 0 ? long.MaxValue : Math.Abs(reference.Nanoseconds + (long)scale.ToNanoseconds(ticks) - here.Nanoseconds);
    }

    /// <summary>An odd version tells readers on other processors that the structure is changing.</summary>
    private static bool TryWriteVersioned(IGuestMemory memory, ulong address, Span<byte> structure, uint version)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(structure, version - 1);
        if (!memory.TryWrite(address, structure))
        {
            return false;
        }

        Interlocked.MemoryBarrier();
        BinaryPrimitives.WriteUInt32LittleEndian(structure, version);
        return memory.TryWrite(address, structure[..4]);
    }
}
