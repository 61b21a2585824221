namespace Vmm.Vmx;

/// <summary>
/// Composes the VMX capability MSRs (SDM Vol. 3D appendix A) from what a processor supports. A control that is named can
/// be one; a control that is default1 (A.2) must be one unless it is named, and can be zero through the TRUE MSRs if it is.
/// </summary>
public sealed class VmxCapabilityMsrs
{
    /// <summary>VMCS revision identifier, 31 bits.</summary>
    public required uint Revision { get; init; }

    /// <summary>Supported pin-based controls.</summary>
    public required PinBasedControls PinBased { get; init; }

    /// <summary>Supported primary processor-based controls.</summary>
    public required PrimaryProcessorBasedControls Primary { get; init; }

    /// <summary>Supported secondary processor-based controls.</summary>
    public SecondaryProcessorBasedControls Secondary { get; init; }

    /// <summary>Supported VM-exit controls.</summary>
    public required VmExitControls Exit { get; init; }

    /// <summary>Supported VM-entry controls.</summary>
    public required VmEntryControls Entry { get; init; }

    /// <summary>CR4 bits that the processor implements; VMXE is added.</summary>
    public required Cr4Bits Cr4 { get; init; }

    /// <summary>EPT and VPID features; reported when "enable EPT" or "enable VPID" is supported.</summary>
    public EptVpidCapabilities EptVpid { get; init; }

    /// <summary>The preemption timer counts down when this bit of the time-stamp counter changes, 0 to 31.</summary>
    public int PreemptionTimerShift { get; init; }

    /// <summary>Whether the activity state HLT is supported.</summary>
    public bool ActivityHlt { get; init; } = true;

    /// <summary>Whether the activity state shutdown is supported.</summary>
    public bool ActivityShutdown { get; init; } = true;

    /// <summary>Whether the activity state wait-for-SIPI is supported.</summary>
    public bool ActivityWaitForSipi { get; init; } = true;

    /// <summary>Number of CR3-target values, 0 to 4.</summary>
    public int Cr3Targets { get; init; }

    /// <summary>Whether VMWRITE may write VM-exit information fields.</summary>
    public bool ReadOnlyFieldsWritable { get; init; }

    /// <summary>Whether software events may be injected with instruction length 0.</summary>
    public bool ZeroLengthInjection { get; init; } = true;

    /// <summary>Whether a hardware exception may be injected with or without an error code whatever its vector.</summary>
    public bool AnyErrorCodeInjection { get; init; }

    /// <summary>The MSRs by number, for <see cref="VmxCapabilities.Msrs"/>.</summary>
    public IReadOnlyDictionary<uint, ulong> Build()
    {
        Dictionary<uint, ulong> msrs = new()
        {
            [Msr.Ia32VmxBasic] = Basic(),
            [Msr.Ia32VmxPinbasedCtls] = Controls(Default1.PinBased, (uint)PinBased, flexible: false),
            [Msr.Ia32VmxProcbasedCtls] = Controls(Default1.Primary, (uint)Primary, flexible: false),
            [Msr.Ia32VmxExitCtls] = Controls(Default1.Exit, (uint)Exit, flexible: false),
            [Msr.Ia32VmxEntryCtls] = Controls(Default1.Entry, (uint)Entry, flexible: false),
            [Msr.Ia32VmxMisc] = Misc(),
            [Msr.Ia32VmxCr0Fixed0] = (ulong)(Cr0Bits.Pe | Cr0Bits.Ne | Cr0Bits.Pg),
            [Msr.Ia32VmxCr0Fixed1] = uint.MaxValue,
            [Msr.Ia32VmxCr4Fixed0] = (ulong)Cr4Bits.Vmxe,
            [Msr.Ia32VmxCr4Fixed1] = (ulong)(Cr4 | Cr4Bits.Vmxe),
            [Msr.Ia32VmxVmcsEnum] = VmcsFields.HighestIndex << 1,
            [Msr.Ia32VmxTruePinbasedCtls] = Controls(Default1.PinBased, (uint)PinBased, flexible: true),
            [Msr.Ia32VmxTrueProcbasedCtls] = Controls(Default1.Primary, (uint)Primary, flexible: true),
            [Msr.Ia32VmxTrueExitCtls] = Controls(Default1.Exit, (uint)Exit, flexible: true),
            [Msr.Ia32VmxTrueEntryCtls] = Controls(Default1.Entry, (uint)Entry, flexible: true),
        };

        if (Primary.HasFlag(PrimaryProcessorBasedControls.ActivateSecondaryControls))
        {
            msrs[Msr.Ia32VmxProcbasedCtls2] = Controls(0, (uint)Secondary, flexible: false);
        }

        if ((Secondary & (SecondaryProcessorBasedControls.EnableEpt | SecondaryProcessorBasedControls.EnableVpid)) != 0)
        {
            msrs[Msr.Ia32VmxEptVpidCap] = (ulong)EptVpid;
        }

        return msrs;
    }

    // SDM Vol. 3D A.1: 4-KiB regions, write-back, INS/OUTS information, TRUE MSRs
    private ulong Basic()
        => Revision & 0x7FFF_FFFF
            | 4096ul << 32
            | (ulong)MemoryType.WriteBack << 50
            | VmxBasic.StringInstructionInformation
            | VmxBasic.TrueControls
            | (AnyErrorCodeInjection ? VmxBasic.AnyErrorCodeInjection : 0);

    // SDM Vol. 3D A.6
    private ulong Misc()
        => (ulong)PreemptionTimerShift & 0x1F
            | (Secondary.HasFlag(SecondaryProcessorBasedControls.UnrestrictedGuest) ? VmxMisc.StoresLma : 0)
            | (ActivityHlt ? VmxMisc.ActivityHlt : 0)
            | (ActivityShutdown ? VmxMisc.ActivityShutdown : 0)
            | (ActivityWaitForSipi ? VmxMisc.ActivityWaitForSipi : 0)
            | (ulong)Cr3Targets << VmxMisc.Cr3TargetsShift
            | (ReadOnlyFieldsWritable ? VmxMisc.ReadOnlyFieldsWritable : 0)
            | (ZeroLengthInjection ? VmxMisc.ZeroLengthInjection : 0);

    // Low half: allowed 0-settings (a one must be one). High half: allowed 1-settings.
    private static ulong Controls(uint default1, uint supported, bool flexible)
    {
        uint mustBeOne = flexible ? default1 & ~supported : default1;
        return mustBeOne | (ulong)(default1 | supported) << 32;
    }

    /// <summary>The default1 classes (SDM Vol. 3D A.3.1, A.3.2, A.4, A.5).</summary>
    private static class Default1
    {
        public const uint PinBased = 0x0000_0016;
        public const uint Primary = 0x0401_E172;
        public const uint Exit = 0x0003_6DFF;
        public const uint Entry = 0x0000_11FF;
    }
}
