namespace Vmm.Vmx;

/// <summary>How a VMX instruction ended (SDM Vol. 3C 31.2): VMsucceed, VMfailInvalid or VMfailValid with an error number.</summary>
public readonly record struct VmxResult
{
    private VmxResult(VmxStatus status, VmInstructionError error)
    {
        Status = status;
        Error = error;
    }

    /// <summary>VMsucceed, VMfailInvalid or VMfailValid.</summary>
    public VmxStatus Status { get; }

    /// <summary>The VM-instruction error of a VMfailValid.</summary>
    public VmInstructionError Error { get; }

    /// <summary>Whether the instruction succeeded.</summary>
    public bool IsSuccess => Status == VmxStatus.Succeed;

    /// <summary>VMsucceed.</summary>
    public static VmxResult Succeed => default;

    /// <summary>VMfailInvalid: there is no current VMCS to hold an error number.</summary>
    public static VmxResult FailInvalid => new(VmxStatus.FailInvalid, VmInstructionError.None);

    /// <summary>VMfailValid with an error number.</summary>
    public static VmxResult FailValid(VmInstructionError error) => new(VmxStatus.FailValid, error);

    public override string ToString() => Status switch
    {
        VmxStatus.Succeed => "VMsucceed",
        VmxStatus.FailInvalid => "VMfailInvalid",
        _ => $"VMfailValid({(int)Error}: {Error})",
    };
}

/// <summary>The three ways a VMX instruction ends.</summary>
public enum VmxStatus
{
    Succeed,
    FailInvalid,
    FailValid,
}

/// <summary>VM-instruction error numbers (SDM Vol. 3C 31.4, table 31-1).</summary>
public enum VmInstructionError
{
    None = 0,
    VmcallInVmxRoot = 1,
    VmclearInvalidAddress = 2,
    VmclearVmxonPointer = 3,
    VmlaunchNonClearVmcs = 4,
    VmresumeNonLaunchedVmcs = 5,
    VmresumeAfterVmxoff = 6,
    EntryInvalidControlFields = 7,
    EntryInvalidHostState = 8,
    VmptrldInvalidAddress = 9,
    VmptrldVmxonPointer = 10,
    VmptrldIncorrectRevision = 11,
    UnsupportedVmcsComponent = 12,
    VmwriteReadOnlyComponent = 13,
    VmxonInVmxRoot = 15,
    EntryInvalidExecutiveVmcs = 16,
    EntryNonLaunchedExecutiveVmcs = 17,
    EntryExecutiveVmcsNotVmxonPointer = 18,
    VmcallNonClearVmcs = 19,
    VmcallInvalidExitControls = 20,
    VmcallIncorrectMsegRevision = 22,
    VmxoffUnderDualMonitor = 23,
    VmcallInvalidSmmMonitor = 24,
    EntryInvalidExecutionControlsOutsideSmm = 25,
    EntryEventsBlockedByMovSs = 26,
    InvalidOperandToInveptInvvpid = 28,
}
