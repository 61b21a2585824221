namespace Vmm.Vmx;

/// <summary>One line an exit, for logs and errors: the reason and its qualification in words.</summary>
public static class ExitDescription
{
    /// <summary>Describes an exit: <c>I/O instruction: OUT port 0x03F8, 1 byte, data 0x41</c>.</summary>
    public static string Describe(in VmExit exit)
    {
        string detail = Detail(exit);
        string data = exit.Access == VmExitAccess.Write ? $", data 0x{exit.Data:X}" : "";
        string failure = exit.EntryFailure && !IsEntryFailure(exit.Reason) ? "VM-entry failure: " : "";
        return detail.Length == 0
            ? $"{failure}{exit.Reason.DisplayText}{data}"
            : $"{failure}{exit.Reason.DisplayText}: {detail}{data}";
    }

    private static string Detail(in VmExit exit) => exit.Reason switch
    {
        ExitReason.ExceptionOrNmi => DescribeException(exit),
        ExitReason.ExternalInterrupt => new InterruptionInformation(exit.InterruptionInformation) is { IsValid: true } interrupt
            ? $"vector 0x{interrupt.Vector:X2}"
            : "",
        ExitReason.TaskSwitch => new TaskSwitchQualification(exit.Qualification).ToString(),
        ExitReason.ControlRegisterAccess => new ControlRegisterQualification(exit.Qualification).ToString(),
        ExitReason.MovDr => new DebugRegisterQualification(exit.Qualification).ToString(),
        ExitReason.IoInstruction => new IoQualification(exit.Qualification).ToString(),
        ExitReason.Invlpg => $"address 0x{exit.Qualification:X}",
        ExitReason.StartupIpi => $"vector 0x{exit.Qualification & 0xFF:X2}",
        ExitReason.EntryFailureGuestState => (EntryFailureQualification)exit.Qualification switch
        {
            EntryFailureQualification.PdpteLoading => "PDPTEs",
            EntryFailureQualification.NmiInjection => "NMI injection while STI blocks",
            EntryFailureQualification.VmcsLinkPointer => "VMCS link pointer",
            _ => "",
        },
        ExitReason.EntryFailureMsrLoading => $"entry {exit.Qualification} of the MSR-load area",
        ExitReason.EptViolation => $"{new EptViolationQualification(exit.Qualification)} at 0x{exit.GuestPhysicalAddress:X}",
        ExitReason.EptMisconfiguration => $"at 0x{exit.GuestPhysicalAddress:X}",
        _ => "",
    };

    private static string DescribeException(in VmExit exit)
    {
        InterruptionInformation information = new(exit.InterruptionInformation);
        string errorCode = information.DeliversErrorCode ? $", error code 0x{exit.InterruptionErrorCode:X}" : "";
        string cause = (information.Type, (ExceptionVector)information.Vector) switch
        {
            (InterruptionType.HardwareException, ExceptionVector.PageFault) => $", address 0x{exit.Qualification:X}",
            (InterruptionType.HardwareException, ExceptionVector.Debug) => $", {new DebugExceptionQualification(exit.Qualification)}",
            _ => "",
        };
        return $"{information}{errorCode}{cause}";
    }

    private static bool IsEntryFailure(ExitReason reason)
        => reason is ExitReason.EntryFailureGuestState or ExitReason.EntryFailureMsrLoading or ExitReason.EntryFailureMachineCheck;
}
