using Vmm.Engine.Kvm.Host;
using Vmm.Engine.Kvm.Interop;
using Vmm.Engine.Kvm.Processor;

namespace Vmm.Engine.Kvm.Vmx;

/// <summary>
/// KVM told in VMX capability MSRs. What KVM always does must be one (HLT, I/O and MSR-bitmap exits, EPT); what it never
/// offers cannot be one.
/// </summary>
internal static class KvmCapabilities
{
    /// <summary>VMCS revision identifier.</summary>
    public const uint Revision = 2;

    /// <summary>The preemption timer counts 32 ticks of the time source.</summary>
    public const int PreemptionTimerShift = 5;

    private const PrimaryProcessorBasedControls AlwaysOn =
        PrimaryProcessorBasedControls.HltExiting | PrimaryProcessorBasedControls.UnconditionalIoExiting
        | PrimaryProcessorBasedControls.UseMsrBitmaps | PrimaryProcessorBasedControls.ActivateSecondaryControls;

    private const SecondaryProcessorBasedControls AlwaysOnSecondary =
        SecondaryProcessorBasedControls.EnableEpt | SecondaryProcessorBasedControls.UnrestrictedGuest;

    private const Cr4Bits Cr4 =
        Cr4Bits.Vme | Cr4Bits.Pvi | Cr4Bits.Tsd | Cr4Bits.De | Cr4Bits.Pse | Cr4Bits.Pae | Cr4Bits.Mce | Cr4Bits.Pge | Cr4Bits.Pce
        | Cr4Bits.Osfxsr | Cr4Bits.Osxmmexcpt | Cr4Bits.Umip | Cr4Bits.Fsgsbase | Cr4Bits.Pcide | Cr4Bits.Osxsave | Cr4Bits.Smep | Cr4Bits.Smap;

    public static VmxCapabilities Create(KvmDevice device, ulong nativeTimestampFrequency)
    {
        IReadOnlyList<CpuidLeaf> cpuid = SupportedCpuid.Read(device);
        return new VmxCapabilities
        {
            PhysicalAddressBits = SupportedCpuid.PhysicalAddressBits(cpuid),
            Cpuid = cpuid,
            Msrs = CreateMsrs(),
            TimestampFrequency = device.Check(KvmCapability.TscControl) > 0 ? null : nativeTimestampFrequency,
        };
    }

    private static Dictionary<uint, ulong> CreateMsrs()
    {
        var msrs = new Dictionary<uint, ulong>(new VmxCapabilityMsrs
        {
            Revision = Revision,
            PinBased = PinBasedControls.ExternalInterruptExiting | PinBasedControls.NmiExiting | PinBasedControls.VirtualNmis
                | PinBasedControls.ActivatePreemptionTimer,
            Primary = AlwaysOn | PrimaryProcessorBasedControls.InterruptWindowExiting | PrimaryProcessorBasedControls.UseTscOffsetting
                | PrimaryProcessorBasedControls.NmiWindowExiting | PrimaryProcessorBasedControls.MonitorTrapFlag
                | PrimaryProcessorBasedControls.Cr8LoadExiting
                | PrimaryProcessorBasedControls.Cr3LoadExiting | PrimaryProcessorBasedControls.Cr3StoreExiting,
            Secondary = AlwaysOnSecondary | SecondaryProcessorBasedControls.EnableRdtscp | SecondaryProcessorBasedControls.EnableInvpcid,
            Exit = VmExitControls.SaveDebugControls | VmExitControls.HostAddressSpaceSize | VmExitControls.SaveIa32Pat
                | VmExitControls.LoadIa32Pat | VmExitControls.SaveIa32Efer | VmExitControls.LoadIa32Efer,
            Entry = VmEntryControls.LoadDebugControls | VmEntryControls.Ia32eModeGuest | VmEntryControls.LoadIa32Pat
                | VmEntryControls.LoadIa32Efer,
            Cr4 = Cr4,
            EptVpid = EptVpidCapabilities.WalkLength4 | EptVpidCapabilities.Uncacheable | EptVpidCapabilities.WriteBack
                | EptVpidCapabilities.Pages2M | EptVpidCapabilities.Pages1G,
            PreemptionTimerShift = PreemptionTimerShift,
            ActivityHlt = false,
            ActivityShutdown = false,
            ActivityWaitForSipi = false,
        }.Build());

        // The bits that VMX operation fixes are KVM's own business: a guest has all of CR0 and CR4.
        msrs[Msr.Ia32VmxCr0Fixed0] = (ulong)(Cr0Bits.Pe | Cr0Bits.Pg);
        msrs[Msr.Ia32VmxCr4Fixed0] = 0;
        msrs[Msr.Ia32VmxCr4Fixed1] &= ~(ulong)Cr4Bits.Vmxe;
        msrs[Msr.Ia32VmxProcbasedCtls] |= (uint)AlwaysOn;
        msrs[Msr.Ia32VmxTrueProcbasedCtls] = (msrs[Msr.Ia32VmxTrueProcbasedCtls] | (uint)AlwaysOn)
            & ~((ulong)(PrimaryProcessorBasedControls.Cr3LoadExiting | PrimaryProcessorBasedControls.Cr3StoreExiting) << 32);
        msrs[Msr.Ia32VmxProcbasedCtls2] |= (uint)AlwaysOnSecondary;
        return msrs;
    }
}
