namespace Vmm.Vmx;

/// <summary>Reads 8 bytes of physical memory at a physical address as the guest sees it without EPT; all ones where there is none.</summary>
/// <param name="address">The address, a multiple of 8.</param>
public delegate ulong ReadPhysicalQuadword(ulong address);

/// <summary>
/// The checks of a VM entry, in the order of SDM Vol. 3C ch. 27. Rules that belong to controls the processor does not
/// announce are left out: a VMCS that sets such a control has failed by then. An entry that passes allocates nothing.
/// Instances are immutable.
/// </summary>
public sealed partial class VmEntryChecks
{
    private readonly ReadPhysicalQuadword _readPhysical;
    private readonly ulong _beyondPhysicalWidth;
    private readonly bool _anyErrorCodeInjection;
    private readonly ulong _misc;
    private readonly EptVpidCapabilities _eptVpid;
    private readonly AllowedControls _pinBased;
    private readonly AllowedControls _primary;
    private readonly AllowedControls _secondary;
    private readonly AllowedControls _exit;
    private readonly AllowedControls _entry;
    private readonly ulong _cr0Fixed0;
    private readonly ulong _cr0Fixed1;
    private readonly ulong _cr4Fixed0;
    private readonly ulong _cr4Fixed1;

    /// <summary>Makes the checks of a processor.</summary>
    /// <param name="capabilities">What it announces.</param>
    /// <param name="readPhysical">Reads the PDPTEs of a guest with PAE paging and no EPT.</param>
    public VmEntryChecks(VmxCapabilities capabilities, ReadPhysicalQuadword readPhysical)
    {
        _readPhysical = readPhysical;
        _beyondPhysicalWidth = ulong.MaxValue << capabilities.PhysicalAddressBits;
        _anyErrorCodeInjection = (capabilities.Msrs[Msr.Ia32VmxBasic] & VmxBasic.AnyErrorCodeInjection) != 0;
        _misc = capabilities.Msrs[Msr.Ia32VmxMisc];
        _eptVpid = (EptVpidCapabilities)capabilities.Msrs.GetValueOrDefault(Msr.Ia32VmxEptVpidCap);
        _pinBased = AllowedControls.From(capabilities, Msr.Ia32VmxPinbasedCtls, Msr.Ia32VmxTruePinbasedCtls);
        _primary = AllowedControls.From(capabilities, Msr.Ia32VmxProcbasedCtls, Msr.Ia32VmxTrueProcbasedCtls);
        _secondary = AllowedControls.From(capabilities, Msr.Ia32VmxProcbasedCtls2);
        _exit = AllowedControls.From(capabilities, Msr.Ia32VmxExitCtls, Msr.Ia32VmxTrueExitCtls);
        _entry = AllowedControls.From(capabilities, Msr.Ia32VmxEntryCtls, Msr.Ia32VmxTrueEntryCtls);
        _cr0Fixed0 = capabilities.Msrs[Msr.Ia32VmxCr0Fixed0];
        _cr0Fixed1 = capabilities.Msrs[Msr.Ia32VmxCr0Fixed1];
        _cr4Fixed0 = capabilities.Msrs[Msr.Ia32VmxCr4Fixed0];
        _cr4Fixed1 = capabilities.Msrs[Msr.Ia32VmxCr4Fixed1];
    }

    /// <summary>
    /// The basic checks of VMLAUNCH and VMRESUME (SDM Vol. 3C 27.1, in its order): no current VMCS is VMfailInvalid, blocking by
    /// MOV SS in the host is error 26, a wrong launch state error 4 or 5. Leaves the error in the VMCS.
    /// </summary>
    /// <param name="current">The current VMCS, if there is one.</param>
    /// <param name="isLaunch">VMLAUNCH rather than VMRESUME.</param>
    /// <param name="hostBlockedByMovSs">Whether the instruction follows a MOV SS or POP SS.</param>
    public static VmxResult CheckLaunchState(Vmcs? current, bool isLaunch, bool hostBlockedByMovSs = false) => current switch
    {
        null => VmxResult.FailInvalid,
        _ when hostBlockedByMovSs => current.Fail(VmInstructionError.EntryEventsBlockedByMovSs),
        { LaunchState: not VmcsLaunchState.Clear } when isLaunch => current.Fail(VmInstructionError.VmlaunchNonClearVmcs),
        { LaunchState: not VmcsLaunchState.Launched } when !isLaunch => current.Fail(VmInstructionError.VmresumeNonLaunchedVmcs),
        _ => VmxResult.Succeed,
    };

    /// <summary>All checks; null when the entry may proceed.</summary>
    public VmEntryFailure? Check(Vmcs vmcs) => CheckControls(vmcs) ?? CheckHostState(vmcs) ?? CheckGuestState(vmcs);

    /// <summary>Checks on VMX controls (27.2.1): a failure is error 7.</summary>
    public VmEntryFailure? CheckControls(Vmcs vmcs)
        => CheckExecutionControls(vmcs) ?? CheckExitControls(vmcs) ?? CheckEntryControls(vmcs);

    /// <summary>Checks on the host-state area (27.2.2 to 27.2.4): a failure is error 8.</summary>
    public VmEntryFailure? CheckHostState(Vmcs vmcs)
        => CheckHostControlRegistersAndMsrs(vmcs) ?? CheckHostSegments(vmcs) ?? CheckHostAddressSpace(vmcs);

    /// <summary>Checks on the guest-state area (27.3.1): a failure is an exit with reason 33. Assumes that <see cref="CheckControls"/> passed.</summary>
    public VmEntryFailure? CheckGuestState(Vmcs vmcs)
        => CheckGuestControlRegistersAndMsrs(vmcs)
            ?? CheckGuestSegments(vmcs)
            ?? CheckGuestDescriptorTables(vmcs)
            ?? CheckGuestRipAndRflags(vmcs)
            ?? CheckGuestNonRegisterState(vmcs)
            ?? CheckGuestPdptes(vmcs);

    /// <summary>The secondary controls that are in force: none unless the primary ones activate them.</summary>
    internal static SecondaryProcessorBasedControls EffectiveSecondaryControls(Vmcs vmcs)
        => (vmcs[VmcsField.PrimaryProcessorBasedControls] & (ulong)PrimaryProcessorBasedControls.ActivateSecondaryControls) != 0
            ? (SecondaryProcessorBasedControls)vmcs[VmcsField.SecondaryProcessorBasedControls]
            : SecondaryProcessorBasedControls.None;

    private static bool IsUnrestricted(Vmcs vmcs)
        => (EffectiveSecondaryControls(vmcs) & SecondaryProcessorBasedControls.UnrestrictedGuest) != 0;

    private static bool IsIa32eGuest(Vmcs vmcs) => (vmcs[VmcsField.VmEntryControls] & (ulong)VmEntryControls.Ia32eModeGuest) != 0;

    private static bool IsVirtual8086(Vmcs vmcs) => (vmcs[VmcsField.GuestRflags] & (ulong)RflagsBits.Vm) != 0;

    private static VmEntryFailure Invalid(VmEntryFailureKind kind, string section, Vmcs vmcs, VmcsField field, string rule)
        => new(kind, section, field, vmcs[field], rule);
}
