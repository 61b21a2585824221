namespace Vmm.Kernel;

/// <summary>
/// Fills the control and host fields of a new VMCS. Controls are rounded to what the engine allows
/// (SDM Vol. 3D A.3 to A.5); the guest fields come with the processor's state.
/// </summary>
internal static class VmcsSetup
{
    private const PinBasedControls Pin =
        PinBasedControls.ExternalInterruptExiting | PinBasedControls.NmiExiting | PinBasedControls.VirtualNmis
        | PinBasedControls.ActivatePreemptionTimer;

    private const PrimaryProcessorBasedControls Primary =
        PrimaryProcessorBasedControls.UseTscOffsetting | PrimaryProcessorBasedControls.HltExiting
        | PrimaryProcessorBasedControls.MwaitExiting | PrimaryProcessorBasedControls.MonitorExiting
        | PrimaryProcessorBasedControls.RdpmcExiting | PrimaryProcessorBasedControls.Cr8LoadExiting
        | PrimaryProcessorBasedControls.Cr8StoreExiting | PrimaryProcessorBasedControls.UnconditionalIoExiting
        | PrimaryProcessorBasedControls.UseMsrBitmaps | PrimaryProcessorBasedControls.ActivateSecondaryControls;

    // Controls that the default settings would turn on and that would cost exits.
    private const PrimaryProcessorBasedControls Unwanted =
        PrimaryProcessorBasedControls.Cr3LoadExiting | PrimaryProcessorBasedControls.Cr3StoreExiting;

    private const SecondaryProcessorBasedControls Secondary =
        SecondaryProcessorBasedControls.EnableEpt | SecondaryProcessorBasedControls.UnrestrictedGuest
        | SecondaryProcessorBasedControls.EnableRdtscp | SecondaryProcessorBasedControls.EnableInvpcid
        | SecondaryProcessorBasedControls.EnableXsavesXrstors | SecondaryProcessorBasedControls.EnableVpid;

    // The timer is saved so that a quantum runs on through exits that are handled in place (SDM Vol. 3C 28.3.1).
    private const VmExitControls Exit =
        VmExitControls.HostAddressSpaceSize | VmExitControls.SaveDebugControls | VmExitControls.SaveIa32Pat
        | VmExitControls.SaveIa32Efer | VmExitControls.LoadIa32Pat | VmExitControls.LoadIa32Efer
        | VmExitControls.SavePreemptionTimerValue;

    private const VmEntryControls Entry =
        VmEntryControls.LoadDebugControls | VmEntryControls.LoadIa32Pat | VmEntryControls.LoadIa32Efer;

    /// <summary>Entry controls without the bit that depends on the guest's mode.</summary>
    public static VmEntryControls EntryControls(VmxCapabilities capabilities) =>
        (VmEntryControls)capabilities.Adjust(Msr.Ia32VmxTrueEntryCtls, (uint)Entry);

    /// <summary>Primary controls without the two windows.</summary>
    public static PrimaryProcessorBasedControls PrimaryControls(VmxCapabilities capabilities) =>
        (PrimaryProcessorBasedControls)capabilities.Adjust(Msr.Ia32VmxTrueProcbasedCtls, (uint)(Primary & ~Unwanted));

    /// <summary>Writes the fields of the current VMCS that do not change while the guest runs.</summary>
    public static void Write(VmcsAccess vmcs, VmxCapabilities capabilities, ulong msrBitmap, int processor)
    {
        uint secondary = capabilities.Adjust(Msr.Ia32VmxProcbasedCtls2, (uint)Secondary);
        RequireEpt((SecondaryProcessorBasedControls)secondary);
        vmcs[VmcsField.PinBasedControls] = capabilities.Adjust(Msr.Ia32VmxTruePinbasedCtls, (uint)Pin);
        vmcs[VmcsField.PrimaryProcessorBasedControls] = (ulong)PrimaryControls(capabilities);
        vmcs[VmcsField.SecondaryProcessorBasedControls] = secondary;
        vmcs[VmcsField.VmExitControls] = capabilities.Adjust(Msr.Ia32VmxTrueExitCtls, (uint)Exit);
        vmcs[VmcsField.VmEntryControls] = (ulong)EntryControls(capabilities);
        vmcs[VmcsField.ExceptionBitmap] = 0;
        vmcs[VmcsField.MsrBitmapAddress] = msrBitmap;
        vmcs[VmcsField.VmcsLinkPointer] = ulong.MaxValue; // no shadow VMCS (25.4.2)
        if ((secondary & (uint)SecondaryProcessorBasedControls.EnableVpid) != 0)
        {
            vmcs[VmcsField.VirtualProcessorIdentifier] = (ulong)processor + 1;
        }

        WriteHost(vmcs, capabilities);
    }

    // The host here is a C# method, not code at HostRip; the fields only have to pass the checks of SDM Vol. 3C 27.2.2.
    private static void WriteHost(VmcsAccess vmcs, VmxCapabilities capabilities)
    {
        const ulong CodeSelector = 8, TaskSelector = 16;
        vmcs[VmcsField.HostCr0] = capabilities.Msrs[Msr.Ia32VmxCr0Fixed0];
        vmcs[VmcsField.HostCr4] = capabilities.Msrs[Msr.Ia32VmxCr4Fixed0] | (ulong)Cr4Bits.Pae;
        vmcs[VmcsField.HostCr3] = 0;
        vmcs[VmcsField.HostCsSelector] = CodeSelector;
        vmcs[VmcsField.HostTrSelector] = TaskSelector;
        vmcs[VmcsField.HostIa32Efer] = (ulong)(EferBits.Lme | EferBits.Lma);
        vmcs[VmcsField.HostIa32Pat] = 0x0007_0406_0007_0406;
    }

    private static void RequireEpt(SecondaryProcessorBasedControls secondary)
    {
        const SecondaryProcessorBasedControls Needed = SecondaryProcessorBasedControls.EnableEpt | SecondaryProcessorBasedControls.UnrestrictedGuest;
        if ((secondary & Needed) != Needed)
        {
            throw new VmxFailureException("The engine has no EPT or no unrestricted guest; the kernel needs both.");
        }
    }
}
