using Vmm.Engine.Kvm.Host;
using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm.Processor;

/// <summary>A time-stamp counter that goes with the host's.</summary>
internal interface ITimestampCounter
{
    /// <summary>How it can be set.</summary>
    TimestampControl Control { get; }

    /// <summary>The counter now.</summary>
    ulong Value { get; set; }

    /// <summary>What it is ahead of the host's counter, scaled to the guest's frequency; with <see cref="TimestampControl.Offset"/>.</summary>
    ulong Offset { get; set; }
}

/// <summary>The time-stamp counter of a virtual processor, which KVM derives from the host's.</summary>
internal sealed unsafe class TimestampCounter(KvmDescriptor vcpu, MsrAccess msrs, TimestampControl control) : ITimestampCounter
{
    private const uint TscControlGroup = 0, TscOffsetAttribute = 0; // KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET

    public TimestampControl Control { get; } = control;

    public ulong Value
    {
        get => msrs.Read(Msr.Ia32TimeStampCounter);
        set => msrs.Write(Msr.Ia32TimeStampCounter, value);
    }

    public ulong Offset
    {
        get
        {
            ulong offset = 0;
            Request(KvmRequest.GetDeviceAttr, &offset);
            return offset;
        }

        set => Request(KvmRequest.SetDeviceAttr, &value);
    }

    /// <summary>Tries out, on a virtual processor of its own, what the counters of a host can do.</summary>
    /// <returns>How they can be set, and their frequency in Hz.</returns>
    public static (TimestampControl Control, ulong Frequency) Probe(KvmDevice device)
    {
        using KvmDescriptor vm = device.CreateVm();
        using var vcpu = new KvmDescriptor(vm.Request(KvmRequest.CreateVcpu));
        ulong frequency = (ulong)vcpu.Request(KvmRequest.GetTscKhz) * 1000;
        var counter = new TimestampCounter(vcpu, new MsrAccess(vcpu), TimestampControl.None);
        return (counter.FollowsOffset() ? TimestampControl.Offset : counter.FollowsRegister() ? TimestampControl.Register : TimestampControl.None, frequency);
    }

    // A KVM that runs its guests without VT-x may take offset and register and leave the counter the host's all the same.
    private bool FollowsOffset()
    {
        ulong ahead = 1UL << 60;
        KvmDeviceAttribute attribute = Attribute(&ahead);
        return vcpu.Try(KvmRequest.SetDeviceAttr, (nint)(&attribute)) == 0 && Value >= ahead;
    }

    private bool FollowsRegister()
    {
        const ulong Ahead = 1UL << 60;
        return msrs.TryWrite(Msr.Ia32TimeStampCounter, Ahead) && Value >= Ahead;
    }

    private void Request(KvmRequest request, ulong* offset)
    {
        KvmDeviceAttribute attribute = Attribute(offset);
        vcpu.Request(request, ref attribute);
    }

    private static KvmDeviceAttribute Attribute(ulong* offset) =>
        new() { Group = TscControlGroup, Attribute = TscOffsetAttribute, Address = (nint)offset };
}

/// <summary>How the guests' time-stamp counters can be set.</summary>
internal enum TimestampControl
{
    /// <summary>Not at all: they are the host's.</summary>
    None,

    /// <summary>By IA32_TIME_STAMP_COUNTER. KVM takes a value near the one it expects for an attempt to synchronize processors.</summary>
    Register,

    /// <summary>By the attribute KVM_VCPU_TSC_OFFSET (Linux 5.16).</summary>
    Offset,
}
