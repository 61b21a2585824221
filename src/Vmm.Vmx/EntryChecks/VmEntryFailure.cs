namespace Vmm.Vmx;

/// <summary>Why a VM entry failed, for the guest's processor and for people. Made only when an entry fails.</summary>
/// <param name="Kind">Which group of checks failed.</param>
/// <param name="Section">The section of SDM Vol. 3C that states the rule.</param>
/// <param name="Field">The field that breaks it.</param>
/// <param name="Value">The field's value.</param>
/// <param name="Rule">The rule, as a sentence.</param>
/// <param name="Qualification">Exit qualification of a guest-state failure.</param>
public sealed record VmEntryFailure(
    VmEntryFailureKind Kind,
    string Section,
    VmcsField Field,
    ulong Value,
    string Rule,
    EntryFailureQualification Qualification = EntryFailureQualification.Other)
{
    /// <summary>How the instruction ends: error 7 or 8; none for guest state, which ends as an exit with reason 33.</summary>
    public VmInstructionError Error => Kind switch
    {
        VmEntryFailureKind.Controls => VmInstructionError.EntryInvalidControlFields,
        VmEntryFailureKind.HostState => VmInstructionError.EntryInvalidHostState,
        _ => VmInstructionError.None,
    };

    public override string ToString()
    {
        string end = Kind switch
        {
            VmEntryFailureKind.Controls => "error 7, invalid control fields",
            VmEntryFailureKind.HostState => "error 8, invalid host state",
            _ => $"exit reason 33, invalid guest state, qualification {(ulong)Qualification}",
        };
        return $"VM entry failed ({end}): {Field} is 0x{Value:X}. {Rule} (SDM Vol. 3C {Section})";
    }
}

/// <summary>Groups of VM-entry checks, which end in different ways.</summary>
public enum VmEntryFailureKind
{
    /// <summary>VMfailValid with error 7.</summary>
    Controls,

    /// <summary>VMfailValid with error 8.</summary>
    HostState,

    /// <summary>VM exit with reason 33.</summary>
    GuestState,
}
