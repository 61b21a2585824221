using Vmm.Engine.Software.Instructions.System;

namespace Vmm.Engine.Software.Vmx;

/// <summary>What the processors of this engine support.</summary>
internal static class EngineCapabilities
{
    /// <summary>VMCS revision identifier.</summary>
    public const uint Revision = 1;

    /// <summary>Bits that may be set in CR4.</summary>
    public const Cr4Bits Cr4 =
        Cr4Bits.Tsd | Cr4Bits.De | Cr4Bits.Pse | Cr4Bits.Pae | Cr4Bits.Mce | Cr4Bits.Pge | Cr4Bits.Pce | Cr4Bits.Osfxsr
        | Cr4Bits.Osxmmexcpt | Cr4Bits.Umip | Cr4Bits.Fsgsbase | Cr4Bits.Pcide | Cr4Bits.Osxsave | Cr4Bits.Smep | Cr4Bits.Smap;

    public static VmxCapabilities Instance { get; } = new()
    {
        PhysicalAddressBits = HostPhysicalMemory.AddressBits,
        Cpuid = CpuidModel.Leaves,
        Msrs = new VmxCapabilityMsrs
        {
            Revision = Revision,
            PinBased = PinBasedControls.ExternalInterruptExiting | PinBasedControls.NmiExiting | PinBasedControls.VirtualNmis
                | PinBasedControls.ActivatePreemptionTimer,
            Primary = PrimaryProcessorBasedControls.InterruptWindowExiting | PrimaryProcessorBasedControls.UseTscOffsetting
                | PrimaryProcessorBasedControls.HltExiting | PrimaryProcessorBasedControls.InvlpgExiting
                | PrimaryProcessorBasedControls.MwaitExiting | PrimaryProcessorBasedControls.RdpmcExiting
                | PrimaryProcessorBasedControls.RdtscExiting | PrimaryProcessorBasedControls.Cr3LoadExiting
                | PrimaryProcessorBasedControls.Cr3StoreExiting | PrimaryProcessorBasedControls.Cr8LoadExiting
                | PrimaryProcessorBasedControls.Cr8StoreExiting | PrimaryProcessorBasedControls.NmiWindowExiting
                | PrimaryProcessorBasedControls.MovDrExiting | PrimaryProcessorBasedControls.UnconditionalIoExiting
                | PrimaryProcessorBasedControls.UseIoBitmaps | PrimaryProcessorBasedControls.MonitorTrapFlag
                | PrimaryProcessorBasedControls.UseMsrBitmaps | PrimaryProcessorBasedControls.MonitorExiting
                | PrimaryProcessorBasedControls.PauseExiting | PrimaryProcessorBasedControls.ActivateSecondaryControls,
            Secondary = SecondaryProcessorBasedControls.EnableEpt | SecondaryProcessorBasedControls.DescriptorTableExiting
                | SecondaryProcessorBasedControls.EnableRdtscp | SecondaryProcessorBasedControls.WbinvdExiting
                | SecondaryProcessorBasedControls.UnrestrictedGuest | SecondaryProcessorBasedControls.RdrandExiting
                | SecondaryProcessorBasedControls.EnableInvpcid | SecondaryProcessorBasedControls.RdseedExiting,
            Exit = VmExitControls.SaveDebugControls | VmExitControls.HostAddressSpaceSize | VmExitControls.SaveIa32Pat
                | VmExitControls.LoadIa32Pat | VmExitControls.SaveIa32Efer | VmExitControls.LoadIa32Efer
                | VmExitControls.SavePreemptionTimerValue,
            Entry = VmEntryControls.LoadDebugControls | VmEntryControls.Ia32eModeGuest | VmEntryControls.LoadIa32Pat
                | VmEntryControls.LoadIa32Efer,
            Cr4 = Cr4,
            EptVpid = EptVpidCapabilities.ExecuteOnly | EptVpidCapabilities.WalkLength4 | EptVpidCapabilities.Uncacheable
                | EptVpidCapabilities.WriteBack | EptVpidCapabilities.Pages2M | EptVpidCapabilities.Pages1G
                | EptVpidCapabilities.AccessedAndDirty,
            PreemptionTimerShift = PreemptionTimer.Shift,
            Cr3Targets = 4,
        }.Build(),
    };
}
