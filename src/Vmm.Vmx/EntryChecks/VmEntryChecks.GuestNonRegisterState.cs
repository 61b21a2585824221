namespace Vmm.Vmx;

public sealed partial class VmEntryChecks
{
    private const ulong DebugctlBtf = 1ul << 1;

    /// <summary>Non-register state (SDM Vol. 3C 27.3.1.5).</summary>
    private VmEntryFailure? CheckGuestNonRegisterState(Vmcs vmcs)
        => CheckActivityState(vmcs) ?? CheckInterruptibility(vmcs) ?? CheckPendingDebugExceptions(vmcs) ?? CheckLinkPointer(vmcs);

    private VmEntryFailure? CheckActivityState(Vmcs vmcs)
    {
        const VmcsField Field = VmcsField.GuestActivityState;
        ActivityState activity = (ActivityState)vmcs[Field];
        if (activity == ActivityState.Active)
        {
            return null;
        }

        // IA32_VMX_MISC[8:6] announces states 1 to 3
        if (activity > ActivityState.WaitForSipi || (_misc >> (5 + (int)activity) & 1) == 0)
        {
            return NonRegister(vmcs, Field, "The activity state must be one that IA32_VMX_MISC[8:6] announces.");
        }

        if (activity == ActivityState.Hlt && Rights(vmcs, SegmentRegister.Ss).Dpl != 0)
        {
            return NonRegister(vmcs, Field, "HLT needs DPL 0 in SS.");
        }

        const ulong Shadows = (ulong)(InterruptibilityState.BlockingBySti | InterruptibilityState.BlockingByMovSs);
        if ((vmcs[VmcsField.GuestInterruptibilityState] & Shadows) != 0)
        {
            return NonRegister(vmcs, Field, "The activity state must be active while there is blocking by STI or MOV SS.");
        }

        InterruptionInformation injection = new((uint)vmcs[VmcsField.EntryInterruptionInformation]);
        return injection.IsValid && !CanInject(activity, injection)
            ? NonRegister(vmcs, Field, "The injected event must be one that ends the activity state.")
            : null;
    }

    private static bool CanInject(ActivityState activity, InterruptionInformation injection) => (activity, injection.Type) switch
    {
        (ActivityState.Hlt, InterruptionType.ExternalInterrupt or InterruptionType.Nmi or InterruptionType.OtherEvent) => true,
        (ActivityState.Hlt, InterruptionType.HardwareException) => (ExceptionVector)injection.Vector is ExceptionVector.Debug or ExceptionVector.MachineCheck,
        (ActivityState.Shutdown, InterruptionType.Nmi) => true,
        (ActivityState.Shutdown, InterruptionType.HardwareException) => (ExceptionVector)injection.Vector is ExceptionVector.MachineCheck,
        _ => false,
    };

    private static VmEntryFailure? CheckInterruptibility(Vmcs vmcs)
    {
        const VmcsField Field = VmcsField.GuestInterruptibilityState;
        InterruptibilityState state = (InterruptibilityState)vmcs[Field];
        if (state > InterruptibilityState.None && CheckBlocking(vmcs, state) is { } failure)
        {
            return failure;
        }

        InterruptionInformation injection = new((uint)vmcs[VmcsField.EntryInterruptionInformation]);
        if (!injection.IsValid)
        {
            return null;
        }

        const InterruptibilityState Shadows = InterruptibilityState.BlockingBySti | InterruptibilityState.BlockingByMovSs;
        if (injection.Type == InterruptionType.ExternalInterrupt && (state & Shadows) != 0)
        {
            return NonRegister(vmcs, Field, "There must be no blocking by STI or MOV SS to inject an external interrupt.");
        }

        return injection.Type == InterruptionType.Nmi ? CheckNmiInjection(vmcs, state) : null;
    }

    private static VmEntryFailure? CheckBlocking(Vmcs vmcs, InterruptibilityState state)
    {
        const VmcsField Field = VmcsField.GuestInterruptibilityState;
        const InterruptibilityState Shadows = InterruptibilityState.BlockingBySti | InterruptibilityState.BlockingByMovSs;

        // Enclaves and SMM do not exist here: their bits are as good as reserved
        const InterruptibilityState Defined = Shadows | InterruptibilityState.BlockingByNmi;
        if ((state & ~Defined) != 0)
        {
            return NonRegister(vmcs, Field, "Reserved bits, blocking by SMI and enclave interruption must be 0.");
        }

        if ((state & Shadows) == Shadows)
        {
            return NonRegister(vmcs, Field, "Blocking by STI and blocking by MOV SS exclude each other.");
        }

        return (state & InterruptibilityState.BlockingBySti) != 0 && (vmcs[VmcsField.GuestRflags] & (ulong)RflagsBits.If) == 0
            ? NonRegister(vmcs, Field, "Blocking by STI needs RFLAGS.IF.")
            : null;
    }

    private static VmEntryFailure? CheckNmiInjection(Vmcs vmcs, InterruptibilityState state)
    {
        const VmcsField Field = VmcsField.GuestInterruptibilityState;
        if ((state & InterruptibilityState.BlockingByMovSs) != 0)
        {
            return NonRegister(vmcs, Field, "There must be no blocking by MOV SS to inject an NMI.");
        }

        // 27.8 leaves this one to the implementation
        if ((state & InterruptibilityState.BlockingBySti) != 0)
        {
            return NonRegister(vmcs, Field, "There must be no blocking by STI to inject an NMI.") with { Qualification = EntryFailureQualification.NmiInjection };
        }

        bool virtualNmis = (vmcs[VmcsField.PinBasedControls] & (ulong)PinBasedControls.VirtualNmis) != 0;
        return virtualNmis && (state & InterruptibilityState.BlockingByNmi) != 0
            ? NonRegister(vmcs, Field, "There must be no virtual-NMI blocking to inject an NMI.")
            : null;
    }

    private static VmEntryFailure? CheckPendingDebugExceptions(Vmcs vmcs)
    {
        const VmcsField Field = VmcsField.GuestPendingDebugExceptions;
        const PendingDebugExceptions Defined = PendingDebugExceptions.B0 | PendingDebugExceptions.B1 | PendingDebugExceptions.B2
            | PendingDebugExceptions.B3 | PendingDebugExceptions.EnabledBreakpoint | PendingDebugExceptions.SingleStep;
        PendingDebugExceptions pending = (PendingDebugExceptions)vmcs[Field];
        if ((pending & ~Defined) != 0)
        {
            return NonRegister(vmcs, Field, "Bits 11:4, 13 and 63:15 must be 0: bus-lock detection and RTM are not announced.");
        }

        const ulong Shadows = (ulong)(InterruptibilityState.BlockingBySti | InterruptibilityState.BlockingByMovSs);
        if ((vmcs[VmcsField.GuestInterruptibilityState] & Shadows) == 0 && vmcs[VmcsField.GuestActivityState] != (ulong)ActivityState.Hlt)
        {
            return null;
        }

        bool mustStep = (vmcs[VmcsField.GuestRflags] & (ulong)RflagsBits.Tf) != 0 && (vmcs[VmcsField.GuestIa32Debugctl] & DebugctlBtf) == 0;
        return mustStep != ((pending & PendingDebugExceptions.SingleStep) != 0)
            ? NonRegister(vmcs, Field, "In HLT and after STI or MOV SS, BS must be 1 exactly when RFLAGS.TF is 1 and IA32_DEBUGCTL.BTF is 0.")
            : null;
    }

    /// <summary>A link needs a shadow VMCS to point to, and "VMCS shadowing" is not announced.</summary>
    private static VmEntryFailure? CheckLinkPointer(Vmcs vmcs)
        => vmcs[VmcsField.VmcsLinkPointer] == ulong.MaxValue
            ? null
            : NonRegister(vmcs, VmcsField.VmcsLinkPointer, "The VMCS link pointer must be all ones: there are no shadow VMCSs to link.")
                with { Qualification = EntryFailureQualification.VmcsLinkPointer };

    private static VmEntryFailure NonRegister(Vmcs vmcs, VmcsField field, string rule)
        => Invalid(VmEntryFailureKind.GuestState, "27.3.1.5", vmcs, field, rule);
}
