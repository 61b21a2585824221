namespace Vmm.Engine.Kvm.Vmx;

/// <summary>
/// Where the content of each VMCS field lives on KVM. This is the table of sdk/docs/kvm-engine.md; a test holds them equal.
/// </summary>
internal static class FieldHome
{
    /// <summary>For fields that KVM keeps to itself: VMREAD and VMWRITE end with VMfailValid(12, UnsupportedVmcsComponent).</summary>
    public const string NotSupported = "not supported";

    private const string Engine = "the engine";
    private const string Special = "kvm_sregs2";
    private const string Events = "kvm_vcpu_events";
    private const string Msrs = "KVM_SET_MSRS";
    private const string Counter = "KVM_VCPU_TSC_OFFSET, KVM_SET_MSRS";

    /// <summary>Whether VMREAD and VMWRITE know the field.</summary>
    public static bool IsSupported(VmcsField field) => Of(field) != NotSupported;

    /// <summary>The structure or request of KVM, or <see cref="NotSupported"/>.</summary>
    public static string Of(VmcsField field) => field switch
    {
        VmcsField.GuestRip or VmcsField.GuestRsp or VmcsField.GuestRflags => "kvm_regs",
        >= VmcsField.GuestEsSelector and <= VmcsField.GuestTrSelector
            or (>= VmcsField.GuestEsLimit and <= VmcsField.GuestTrAccessRights)
            or (>= VmcsField.GuestEsBase and <= VmcsField.GuestIdtrBase)
            or VmcsField.GuestCr0 or VmcsField.GuestCr3 or VmcsField.GuestCr4 or VmcsField.GuestIa32Efer
            or (>= VmcsField.GuestPdpte0 and <= VmcsField.GuestPdpte3) => Special,
        VmcsField.GuestDr7 => "kvm_debugregs",
        VmcsField.GuestInterruptibilityState => Events,
        VmcsField.GuestIa32Pat or VmcsField.GuestIa32Debugctl or VmcsField.GuestIa32SysenterCs
            or VmcsField.GuestIa32SysenterEsp or VmcsField.GuestIa32SysenterEip => Msrs,
        VmcsField.TscOffset => Counter, // the attribute, by KVM_SET_DEVICE_ATTR, where it works
        VmcsField.GuestActivityState or VmcsField.VmcsLinkPointer => Engine,

        VmcsField.PrimaryProcessorBasedControls => "kvm_run.request_interrupt_window, KVM_SET_GUEST_DEBUG",
        VmcsField.ExceptionBitmap => "KVM_SET_GUEST_DEBUG",
        VmcsField.MsrBitmapAddress => "KVM_X86_SET_MSR_FILTER",
        VmcsField.EptPointer => "KVM_SET_USER_MEMORY_REGION",
        VmcsField.EntryInterruptionInformation => "KVM_INTERRUPT, KVM_NMI, kvm_vcpu_events",
        VmcsField.EntryExceptionErrorCode => Events,
        VmcsField.PreemptionTimerValue => "kvm_run.immediate_exit",
        VmcsField.PinBasedControls or VmcsField.SecondaryProcessorBasedControls or VmcsField.VmExitControls
            or VmcsField.VmEntryControls or VmcsField.VirtualProcessorIdentifier or VmcsField.EntryInstructionLength
            or VmcsField.Cr0GuestHostMask or VmcsField.Cr4GuestHostMask or VmcsField.Cr0ReadShadow or VmcsField.Cr4ReadShadow => Engine,

        VmcsField.ExitReason or VmcsField.ExitQualification or VmcsField.GuestPhysicalAddress
            or VmcsField.ExitInterruptionInformation or VmcsField.ExitInterruptionErrorCode or VmcsField.ExitInstructionLength => "kvm_run",
        VmcsField.VmInstructionError or VmcsField.IdtVectoringInformation or VmcsField.IdtVectoringErrorCode => Engine,
        _ when field.Type == VmcsFieldType.HostState => Engine,
        _ => NotSupported,
    };
}
