namespace Vmm.Vmx.Tests;

/// <summary>A processor with every feature that the entry checks know, and VMCSs that it accepts.</summary>
internal static class TestProcessor
{
    public const int PhysicalAddressBits = 40;

    public static VmxCapabilityMsrs CapabilityMsrs() => new()
    {
        Revision = 0x1234,
        PinBased = PinBasedControls.ExternalInterruptExiting | PinBasedControls.NmiExiting | PinBasedControls.VirtualNmis
            | PinBasedControls.ActivatePreemptionTimer,
        Primary = PrimaryProcessorBasedControls.InterruptWindowExiting | PrimaryProcessorBasedControls.HltExiting
            | PrimaryProcessorBasedControls.Cr3LoadExiting | PrimaryProcessorBasedControls.Cr3StoreExiting
            | PrimaryProcessorBasedControls.NmiWindowExiting | PrimaryProcessorBasedControls.UseIoBitmaps
            | PrimaryProcessorBasedControls.MonitorTrapFlag | PrimaryProcessorBasedControls.UseMsrBitmaps
            | PrimaryProcessorBasedControls.ActivateSecondaryControls,
        Secondary = SecondaryProcessorBasedControls.EnableEpt | SecondaryProcessorBasedControls.EnableVpid
            | SecondaryProcessorBasedControls.UnrestrictedGuest,
        Exit = VmExitControls.SaveDebugControls | VmExitControls.HostAddressSpaceSize | VmExitControls.AcknowledgeInterruptOnExit
            | VmExitControls.SaveIa32Pat | VmExitControls.LoadIa32Pat | VmExitControls.SaveIa32Efer | VmExitControls.LoadIa32Efer
            | VmExitControls.SavePreemptionTimerValue,
        Entry = VmEntryControls.LoadDebugControls | VmEntryControls.Ia32eModeGuest | VmEntryControls.LoadIa32Pat | VmEntryControls.LoadIa32Efer,
        Cr4 = Cr4Bits.Vme | Cr4Bits.Pse | Cr4Bits.Pae | Cr4Bits.Pge | Cr4Bits.Osfxsr | Cr4Bits.Osxmmexcpt | Cr4Bits.Pcide | Cr4Bits.Osxsave,
        EptVpid = EptVpidCapabilities.WalkLength4 | EptVpidCapabilities.WriteBack | EptVpidCapabilities.Pages2M | EptVpidCapabilities.Pages1G,
        PreemptionTimerShift = 5,
        Cr3Targets = 4,
        ZeroLengthInjection = false,
    };

    public static VmxCapabilities Capabilities(VmxCapabilityMsrs? msrs = null) => new()
    {
        Msrs = (msrs ?? CapabilityMsrs()).Build(),
        Cpuid = [],
        PhysicalAddressBits = PhysicalAddressBits,
    };

    /// <summary>A 64-bit guest at CPL 0 without EPT.</summary>
    public static Vmcs LongModeVmcs()
    {
        VmxCapabilities capabilities = Capabilities();
        Vmcs vmcs = new(0x1234);
        vmcs[VmcsField.PinBasedControls] = capabilities.Adjust(Msr.Ia32VmxTruePinbasedCtls, 0);
        vmcs[VmcsField.PrimaryProcessorBasedControls] = capabilities.Adjust(Msr.Ia32VmxTrueProcbasedCtls, 0);
        vmcs[VmcsField.VmExitControls] = capabilities.Adjust(
            Msr.Ia32VmxTrueExitCtls, (uint)(VmExitControls.HostAddressSpaceSize | VmExitControls.LoadIa32Efer | VmExitControls.LoadIa32Pat));
        vmcs[VmcsField.VmEntryControls] = capabilities.Adjust(
            Msr.Ia32VmxTrueEntryCtls,
            (uint)(VmEntryControls.Ia32eModeGuest | VmEntryControls.LoadIa32Efer | VmEntryControls.LoadIa32Pat | VmEntryControls.LoadDebugControls));
        SetHost(vmcs);
        SetLongModeGuest(vmcs);
        return vmcs;
    }

    /// <summary>The state after reset: real mode, which needs an unrestricted guest and EPT.</summary>
    public static Vmcs RealModeVmcs()
    {
        Vmcs vmcs = LongModeVmcs();
        MakeUnrestricted(vmcs);
        vmcs[VmcsField.VmEntryControls] &= ~(ulong)VmEntryControls.Ia32eModeGuest;
        vmcs[VmcsField.GuestCr0] = (ulong)(Cr0Bits.Et | Cr0Bits.Ne | Cr0Bits.Cd | Cr0Bits.Nw);
        vmcs[VmcsField.GuestCr3] = 0;
        vmcs[VmcsField.GuestCr4] = (ulong)Cr4Bits.Vmxe;
        vmcs[VmcsField.GuestIa32Efer] = 0;
        vmcs[VmcsField.GuestRip] = 0xFFF0;
        for (SegmentRegister segment = SegmentRegister.Es; segment <= SegmentRegister.Gs; segment++)
        {
            SetSegment(vmcs, segment, 0, 0, 0xFFFF, 0x93);
        }

        SetSegment(vmcs, SegmentRegister.Cs, 0xF000, 0xFFFF_0000, 0xFFFF, 0x9B);
        return vmcs;
    }

    /// <summary>A 32-bit guest with PAE paging.</summary>
    public static Vmcs PaeVmcs()
    {
        Vmcs vmcs = LongModeVmcs();
        vmcs[VmcsField.VmEntryControls] &= ~(ulong)VmEntryControls.Ia32eModeGuest;
        vmcs[VmcsField.GuestIa32Efer] = 0;
        vmcs[VmcsField.GuestCsAccessRights] = 0xC09B;
        vmcs[VmcsField.GuestRip] = 0xC000_0000;
        return vmcs;
    }

    /// <summary>A task in virtual-8086 mode.</summary>
    public static Vmcs Virtual8086Vmcs()
    {
        Vmcs vmcs = PaeVmcs();
        vmcs[VmcsField.GuestRflags] = (ulong)(RflagsBits.Fixed1 | RflagsBits.Vm | RflagsBits.If);
        vmcs[VmcsField.GuestRip] = 0x100;
        for (SegmentRegister segment = SegmentRegister.Es; segment <= SegmentRegister.Gs; segment++)
        {
            SetSegment(vmcs, segment, 0x2000, 0x2_0000, 0xFFFF, 0xF3);
        }

        return vmcs;
    }

    public static void MakeUnrestricted(Vmcs vmcs)
    {
        vmcs[VmcsField.PrimaryProcessorBasedControls] |= (ulong)PrimaryProcessorBasedControls.ActivateSecondaryControls;
        vmcs[VmcsField.SecondaryProcessorBasedControls] |= (ulong)(SecondaryProcessorBasedControls.EnableEpt | SecondaryProcessorBasedControls.UnrestrictedGuest);
        vmcs[VmcsField.EptPointer] = EptPointer.Create(0x1000).Value;
    }

    public static void SetSegment(Vmcs vmcs, SegmentRegister segment, ushort selector, ulong start, uint limit, uint rights)
    {
        vmcs[GuestSegmentFields.Selector(segment)] = selector;
        vmcs[GuestSegmentFields.Base(segment)] = start;
        vmcs[GuestSegmentFields.Limit(segment)] = limit;
        vmcs[GuestSegmentFields.AccessRights(segment)] = rights;
    }

    private static void SetHost(Vmcs vmcs)
    {
        vmcs[VmcsField.HostCr0] = 0x8005_0033;
        vmcs[VmcsField.HostCr4] = (ulong)(Cr4Bits.Pae | Cr4Bits.Vmxe);
        vmcs[VmcsField.HostCr3] = 0x1000;
        vmcs[VmcsField.HostCsSelector] = 0x10;
        vmcs[VmcsField.HostTrSelector] = 0x40;
        vmcs[VmcsField.HostIa32Pat] = PageAttributeTable.ResetValue;
        vmcs[VmcsField.HostIa32Efer] = (ulong)(EferBits.Lme | EferBits.Lma);
        vmcs[VmcsField.HostRip] = 0xFFFF_FFFF_8100_0000;
    }

    private static void SetLongModeGuest(Vmcs vmcs)
    {
        vmcs[VmcsField.GuestCr0] = 0x8005_0033;
        vmcs[VmcsField.GuestCr3] = 0x2000;
        vmcs[VmcsField.GuestCr4] = (ulong)(Cr4Bits.Pae | Cr4Bits.Vmxe);
        vmcs[VmcsField.GuestDr7] = 0x400;
        vmcs[VmcsField.GuestIa32Pat] = PageAttributeTable.ResetValue;
        vmcs[VmcsField.GuestIa32Efer] = (ulong)(EferBits.Sce | EferBits.Lme | EferBits.Lma);
        vmcs[VmcsField.GuestRip] = 0xFFFF_FFFF_8100_0000;
        vmcs[VmcsField.GuestRflags] = (ulong)RflagsBits.Fixed1;
        vmcs[VmcsField.VmcsLinkPointer] = ulong.MaxValue;
        for (SegmentRegister segment = SegmentRegister.Es; segment <= SegmentRegister.Gs; segment++)
        {
            SetSegment(vmcs, segment, 0x18, 0, uint.MaxValue, 0xC093);
        }

        SetSegment(vmcs, SegmentRegister.Cs, 0x10, 0, uint.MaxValue, 0xA09B);
        SetSegment(vmcs, SegmentRegister.Ldtr, 0, 0, 0, SegmentAccessRights.UnusableBit);
        SetSegment(vmcs, SegmentRegister.Tr, 0x40, 0, 0x67, 0x8B);
    }
}
