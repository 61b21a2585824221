namespace Vmm.Vmx;

public sealed partial class VmEntryChecks
{
    /// <summary>VM-entry control fields (SDM Vol. 3C 27.2.1.3).</summary>
    private VmEntryFailure? CheckEntryControls(Vmcs vmcs)
    {
        if (!_entry.Allow(vmcs[VmcsField.VmEntryControls]))
        {
            return Entry(vmcs, VmcsField.VmEntryControls, "VM-entry controls must be as IA32_VMX_(TRUE_)ENTRY_CTLS allows.");
        }

        InterruptionInformation injection = new((uint)vmcs[VmcsField.EntryInterruptionInformation]);
        if (injection.IsValid && CheckInjection(vmcs, injection) is { } failure)
        {
            return failure;
        }

        return IsMsrArea(vmcs, VmcsField.EntryMsrLoadCount, VmcsField.EntryMsrLoadAddress)
            ? null
            : Entry(vmcs, VmcsField.EntryMsrLoadAddress, MsrAreaRule);
    }

    private VmEntryFailure? CheckInjection(Vmcs vmcs, InterruptionInformation injection)
    {
        const VmcsField Field = VmcsField.EntryInterruptionInformation;
        bool monitorTrapFlag = (_primary.MayBeOne & (uint)PrimaryProcessorBasedControls.MonitorTrapFlag) != 0;
        if (injection.Type == InterruptionType.Reserved || (injection.Type == InterruptionType.OtherEvent && !monitorTrapFlag))
        {
            return Entry(vmcs, Field, "The interruption type must not be reserved; 7 needs a processor with \"monitor trap flag\".");
        }

        if (!HasConsistentVector(injection))
        {
            return Entry(vmcs, Field, "An NMI must have vector 2, a hardware exception a vector up to 31, an other event vector 0.");
        }

        if (!HasConsistentErrorCode(vmcs, injection))
        {
            return Entry(vmcs, Field, "An error code is delivered exactly for hardware exceptions that have one (vectors 8, 10 to 14, 17), and never in real mode.");
        }

        if ((injection.Value & InterruptionInformation.ReservedForEntry) != 0)
        {
            return Entry(vmcs, Field, "Bits 30:12 are reserved.");
        }

        if (injection.DeliversErrorCode && (vmcs[VmcsField.EntryExceptionErrorCode] & 0xFFFF_0000) != 0)
        {
            return Entry(vmcs, VmcsField.EntryExceptionErrorCode, "Bits 31:16 of the error code must be 0.");
        }

        return injection.IsSoftware && !IsInstructionLength(vmcs[VmcsField.EntryInstructionLength])
            ? Entry(vmcs, VmcsField.EntryInstructionLength, "A software event must have an instruction length of 1 to 15 (0 too with IA32_VMX_MISC[30]).")
            : null;
    }

    private static bool HasConsistentVector(InterruptionInformation injection) => injection.Type switch
    {
        InterruptionType.Nmi => injection.Vector == (byte)ExceptionVector.Nmi,
        InterruptionType.HardwareException => injection.Vector < 32,
        InterruptionType.OtherEvent => injection.Vector == 0,
        _ => true,
    };

    private bool HasConsistentErrorCode(Vmcs vmcs, InterruptionInformation injection)
    {
        bool realMode = IsUnrestricted(vmcs) && (vmcs[VmcsField.GuestCr0] & (ulong)Cr0Bits.Pe) == 0;
        if (realMode || injection.Type != InterruptionType.HardwareException)
        {
            return !injection.DeliversErrorCode;
        }

        if (_anyErrorCodeInjection)
        {
            return true;
        }

        // #CP has an error code on processors with CET only
        bool hasErrorCode = ((ExceptionVector)injection.Vector).HasErrorCode
            && (injection.Vector != (byte)ExceptionVector.ControlProtection || (_cr4Fixed1 & (ulong)Cr4Bits.Cet) != 0);
        return injection.DeliversErrorCode == hasErrorCode;
    }

    private bool IsInstructionLength(ulong length)
        => length <= 15 && (length != 0 || (_misc & VmxMisc.ZeroLengthInjection) != 0);

    private static VmEntryFailure Entry(Vmcs vmcs, VmcsField field, string rule)
        => Invalid(VmEntryFailureKind.Controls, "27.2.1.3", vmcs, field, rule);
}
