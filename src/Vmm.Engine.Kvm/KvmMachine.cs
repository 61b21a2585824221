using Vmm.Engine.Kvm.Host;
using Vmm.Engine.Kvm.Interop;
using Vmm.Engine.Kvm.Interrupts;
using Vmm.Engine.Kvm.Memory;
using Vmm.Engine.Kvm.Processor;
using Vmm.Engine.Kvm.Vmx;

namespace Vmm.Engine.Kvm;

/// <summary>One VM of KVM: its memory slots, MSR filter, and processors.</summary>
internal sealed class KvmMachine : IVmxMachine
{
    // Three pages for a task state and one for an identity map, which processors without unrestricted guests need
    // (KVM_SET_TSS_ADDR); between the I/O APIC and the local APIC, where a PC has nothing.
    private const long IdentityMapAddress = 0xFEFF_C000, TaskStateAddress = 0xFEFF_D000;
    private const ulong MsrExitReasons = 1 | 2 | 4; // invalid access, unknown register, filtered
    private const ulong QuirkOutPort7E = 8;

    private readonly List<KvmProcessor> _processors = [];
    private readonly IPhysicalMemory _memory;

    public KvmMachine(KvmDevice device, VmxCapabilities capabilities, IPhysicalMemory memory, ITimeSource clock, bool modelsApics)
    {
        Device = device;
        Capabilities = capabilities;
        Clock = clock;
        _memory = memory;
        Vm = device.CreateVm();
        try
        {
            Vm.Request(KvmRequest.SetTssAddr, unchecked((nint)TaskStateAddress));
            long identityMap = IdentityMapAddress;
            Vm.Request(KvmRequest.SetIdentityMapAddr, ref identityMap);
            Enable(KvmCapability.X86UserSpaceMsr, MsrExitReasons);
            if ((device.Check(KvmCapability.DisableQuirks2) & (int)QuirkOutPort7E) != 0)
            {
                Enable(KvmCapability.DisableQuirks2, QuirkOutPort7E); // OUT to port 0x7E like any other OUT
            }

            if (modelsApics)
            {
                Interrupts = new SplitIrqchip(this);
            }
        }
        catch
        {
            Vm.Dispose();
            throw;
        }

        Timestamps = new TimestampBase(clock, capabilities.TimestampFrequency ?? clock.Frequency, TimeProvider.System);
        HostPages = new HostPages(capabilities.PhysicalAddressBits);
        Slots = new MemorySlots(Vm, HostPages, memory, RunGate);
        MsrFilter = new MsrFilter(HostPages, (ref filter) => Vm.Request(KvmRequest.X86SetMsrFilter, ref filter));
        memory.Changed += MemoryChanged;
        memory.DirtyPagesWanted += Slots.CollectDirtyPages;
    }

    public KvmDevice Device { get; }

    public VmxCapabilities Capabilities { get; }

    public ITimeSource Clock { get; }

    /// <summary>Whether a processor with virtualization runs the guest.</summary>
    public bool RunsOnHardware { get; init; }

    /// <summary>How the processors' time-stamp counters can be set.</summary>
    public TimestampControl TimestampControl { get; init; }

    /// <summary>What the time-stamp counters of the VM have in common.</summary>
    public TimestampBase Timestamps { get; }

    public KvmDescriptor Vm { get; }

    public HostPages HostPages { get; }

    public MemorySlots Slots { get; }

    public MsrFilter MsrFilter { get; }

    /// <summary>Keeps processors out of their guests while memory slots are replaced.</summary>
    public RunGate RunGate { get; } = new();

    /// <summary>The interrupt hardware that KVM models; null where the kernel models it.</summary>
    public SplitIrqchip? Interrupts { get; }

    IEngineInterrupts? IVmxMachine.Interrupts => Interrupts;

    public VmcsRegions VmcsRegions { get; } = new(KvmCapabilities.Revision);

    public IReadOnlyDictionary<string, long> Counters
    {
        get
        {
            KvmProcessor[] processors = Processors();
            return new Dictionary<string, long>
            {
                ["vm exits"] = processors.Sum(processor => processor.ExitCount),
                ["kvm runs"] = processors.Sum(processor => processor.RunCount),
                ["kvm runs interrupted"] = processors.Sum(processor => processor.InterruptedRunCount),
                ["kicks"] = processors.Sum(processor => processor.KickCount),
                ["memory slots"] = Slots.Count,
                ["memory slot changes"] = Slots.ChangeCount,
                ["dirty logs read"] = Slots.DirtyLogCount,
                ["msr filters set"] = MsrFilter.ChangeCount,
                ["time-stamp counters set"] = processors.Sum(processor => processor.TimestampSetCount),
            };
        }
    }

    public ILogicalProcessor CreateProcessor(int index)
    {
        var processor = new KvmProcessor(this, index);
        lock (_processors)
        {
            _processors.Add(processor);
        }

        return processor;
    }

    public HostPage AllocatePage() => HostPages.Allocate();

    /// <summary>Turns a capability of the VM on.</summary>
    public void Enable(KvmCapability capability, ulong argument)
    {
        var request = new KvmEnableCapability { Capability = (uint)capability, Argument = argument };
        Vm.Request(KvmRequest.EnableCap, ref request);
    }

    public void Dispose()
    {
        _memory.Changed -= MemoryChanged;
        _memory.DirtyPagesWanted -= Slots.CollectDirtyPages;
        foreach (KvmProcessor processor in Processors())
        {
            processor.Dispose();
        }

        Interrupts?.Dispose();
        Slots.Close();
        Vm.Dispose();
    }

    private void MemoryChanged()
    {
        Slots.Invalidate();
        foreach (KvmProcessor processor in Processors())
        {
            processor.Interrupt();
        }
    }

    private KvmProcessor[] Processors()
    {
        lock (_processors)
        {
            return [.. _processors];
        }
    }
}
