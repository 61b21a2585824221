namespace Vmm.Engine.Conformance.Tests.Harness;

/// <summary>
/// Where the engines may differ, because KVM's interface forces it. Nothing else is exempt from comparison.
/// sdk/docs/kvm-engine.md says what each means for the kernel.
/// </summary>
internal static class EngineDifferences
{
    /// <summary>KVM answers CPUID from a table collected by CPUID exits before the first entry: their number and place differ.</summary>
    public const string CpuidIsRehearsed = "CPUID is rehearsed";

    /// <summary>KVM may have moved RIP over an I/O instruction or store to device memory before it tells of the access.</summary>
    public const string RipOfAccesses = "RIP of accesses";

    /// <summary>KVM does not say whether an I/O instruction was a string, repeated, or had an immediate port.</summary>
    public const string FormOfPortInstructions = "form of port instructions";

    /// <summary>KVM switches tasks itself: no exits with reason 9.</summary>
    public const string TaskSwitches = "task switches";

    /// <summary>KVM queues NMIs until their blocking ends: no NMI-window exits for a blocked NMI.</summary>
    public const string NmisAreQueued = "NMIs are queued";

    /// <summary>KVM gives all of CR0 and CR4 to the guest: CR4.VMXE is not fixed to 1.</summary>
    public const string ControlBitsAreNotFixed = "control bits are not fixed";

    /// <summary>KVM enters XSETBV, VMCALL, INVD, WBINVD, MONITOR, MWAIT, RDPMC and PAUSE in its own books: no exits.</summary>
    public const string InstructionsWithoutExits = "instructions without exits";

    /// <summary>KVM sets RFLAGS.RF when it queues a fault, also one that ends in a shutdown.</summary>
    public const string ResumeFlag = "the resume flag";

    /// <summary>Limits and types of segments that are unusable are nobody's business.</summary>
    public const string UnusableSegments = "unusable segments";

    /// <summary>Whether an exit counts for one engine only.</summary>
    public static bool HidesExit(in VmExit exit) => Named(
        exit.Reason switch
        {
            ExitReason.Cpuid => CpuidIsRehearsed,
            ExitReason.TaskSwitch => TaskSwitches,
            ExitReason.NmiWindow => NmisAreQueued,
            _ => null,
        });

    /// <summary>Whether RIP at an exit can be compared.</summary>
    public static bool HasComparableRip(in VmExit exit) => !Named(exit.Access != VmExitAccess.None ? RipOfAccesses : null);

    /// <summary>The part of a qualification that both engines know.</summary>
    public static ulong Comparable(IoQualification qualification) =>
        Named(FormOfPortInstructions) ? IoQualification.Create(qualification.Port, qualification.Size, qualification.IsIn).Value : qualification.Value;

    private static bool Named(string? difference) => difference is not null;
}
