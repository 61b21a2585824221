using System.Collections.Concurrent;
using Vmm.Sdk;

namespace Vmm.Plugins.KvmParavirt;

/// <summary>
/// Makes the machine look like one under KVM to the guest, which then takes its time from the clock structure instead
/// of measuring timers. Steal time and asynchronous page faults are not offered.
/// </summary>
[ExitHandler("kvm-paravirt", Description = "KVM's CPUID leaves, clock and hypercalls", State = StateSupport.Saved)]
public sealed class KvmParavirtHandler(IVirtualClock clock) : ICpuidHandler, IMsrHandler, IHypercallHandler, ITimestampHandler, IStateful
{
    // The first pair has the numbers of old kernels (KVM_FEATURE_CLOCKSOURCE), the second those of KVM_FEATURE_CLOCKSOURCE2.
    private const uint OldWallClock = 0x11;
    private const uint OldSystemTime = 0x12;
    private const uint WallClock = 0x4b56_4d00;
    private const uint SystemTime = 0x4b56_4d01;

    private const ulong Enabled = 1;

    private const ulong VapicPollIrq = 1;
    private const ulong KickCpu = 5;
    private const ulong LastHypercall = 63;
    private const long NoSuchCall = -1000;
    private const long NotPermitted = -1;

    private const int FirstProcessorField = 16, MostProcessors = 256;

    private readonly ParavirtualClock _clock = new(clock);
    private readonly ConcurrentDictionary<int, ClockRegisters> _registers = new();

    public IReadOnlyCollection<CpuidRange> CpuidRanges => KvmCpuid.Ranges;

    public IReadOnlyCollection<MsrRange> MsrRanges { get; } =
    [
        new("kvm-clock-old", OldWallClock, OldSystemTime),
        new("kvm-clock", WallClock, SystemTime),
    ];

    public IReadOnlyCollection<HypercallRange> HypercallRanges { get; } = [new("kvm", 0, LastHypercall)];

    public void Adjust(IVirtualProcessor vcpu, uint leaf, uint subleaf, ref CpuidResult result) =>
        KvmCpuid.Adjust(vcpu, leaf, ref result);

    public bool Read(IVirtualProcessor vcpu, uint index, out ulong value)
    {
        var registers = RegistersOf(vcpu);
        value = index is OldWallClock or WallClock ? registers.WallClock : registers.SystemTime;
        return true;
    }

    public bool Write(IVirtualProcessor vcpu, uint index, ulong value)
    {
        var registers = RegistersOf(vcpu);
        if (index is OldWallClock or WallClock)
        {
            registers.WallClock = value;
            return _clock.TryPublishWallClock(vcpu.Memory, value, registers.NextWallClockVersion());
        }

        if ((value & Enabled) != 0 && !TryPublish(vcpu, registers, value))
        {
            return false;
        }

        registers.SystemTime = value;
        return true;
    }

    /// <summary>Puts the structure in guest memory right before the guest looks at it again.</summary>
    public void TimestampChanged(IVirtualProcessor vcpu, TimestampChange change)
    {
        var registers = RegistersOf(vcpu);
        if (change == TimestampChange.Reset)
        {
            registers.Reset();
            return;
        }

        if (change == TimestampChange.Continued && !registers.HasOwnReference)
        {
            _clock.Continue(vcpu);
        }

        if ((registers.SystemTime & Enabled) != 0)
        {
            TryPublish(vcpu, registers, registers.SystemTime);
        }
    }

    public ulong Call(IVirtualProcessor vcpu, ref GuestRegisters registers)
    {
        if (vcpu.PrivilegeLevel != 0)
        {
            return unchecked((ulong)NotPermitted);
        }

        // Neither has an effect to wait for: interrupts are injected without being polled, and halted processors wake by IPI.
        return registers.Rax is VapicPollIrq or KickCpu ? 0 : unchecked((ulong)NoSuchCall);
    }

    /// <summary>What stands in guest memory is put right when the restored processors go on.</summary>
    public void Save(IStateWriter state)
    {
        state.Section(1, _clock.Save);
        foreach (var (index, registers) in _registers.OrderBy(pair => pair.Key))
        {
            state.Section(FirstProcessorField + index, registers.Save);
        }
    }

    public void Restore(IStateReader state)
    {
        _registers.Clear();
        state.Section(1, _clock.Restore);
        for (int index = 0; index < MostProcessors; index++)
        {
            var registers = new ClockRegisters();
            if (state.Section(FirstProcessorField + index, registers.Restore))
            {
                _registers[index] = registers;
            }
        }
    }

    private bool TryPublish(IVirtualProcessor vcpu, ClockRegisters registers, ulong value)
    {
        bool published = _clock.TryPublish(vcpu, value & ~Enabled, registers.NextSystemTimeVersion(), out bool isCommon);
        registers.HasOwnReference = published && !isCommon;
        return published;
    }

    private ClockRegisters RegistersOf(IVirtualProcessor vcpu) => _registers.GetOrAdd(vcpu.Id.Index, static _ => new ClockRegisters());

    /// <summary>The registers of one processor, touched by its thread alone.</summary>
    private sealed class ClockRegisters
    {
        private uint _systemTimeVersion;
        private uint _wallClockVersion;

        public ulong WallClock { get; set; }

        public ulong SystemTime { get; set; }

        /// <summary>Whether the guest has written the counter, so that the common reference point does not hold for it.</summary>
        public bool HasOwnReference { get; set; }

        /// <summary>As after a reset; versions go on growing.</summary>
        public void Reset()
        {
            WallClock = SystemTime = 0;
            HasOwnReference = false;
        }

        public uint NextSystemTimeVersion() => _systemTimeVersion += 2;

        public uint NextWallClockVersion() => _wallClockVersion += 2;

        public void Save(IStateWriter state)
        {
            state.UInt64(1, WallClock);
            state.UInt64(2, SystemTime);
            state.UInt32(3, _wallClockVersion);
            state.UInt32(4, _systemTimeVersion);
            state.UInt8(5, HasOwnReference ? (byte)1 : (byte)0);
        }

        public void Restore(IStateReader state)
        {
            WallClock = state.UInt64(1);
            SystemTime = state.UInt64(2);
            _wallClockVersion = state.UInt32(3) & ~1u;
            _systemTimeVersion = state.UInt32(4) & ~1u;
            HasOwnReference = state.UInt8(5) != 0;
        }
    }
}
