namespace Vmm.Vmx;

public sealed partial class VmEntryChecks
{
    /// <summary>VM-execution control fields (SDM Vol. 3C 27.2.1.1).</summary>
    private VmEntryFailure? CheckExecutionControls(Vmcs vmcs)
    {
        ulong pinField = vmcs[VmcsField.PinBasedControls];
        if (!_pinBased.Allow(pinField))
        {
            return Execution(vmcs, VmcsField.PinBasedControls, "Pin-based controls must be as IA32_VMX_(TRUE_)PINBASED_CTLS allows.");
        }

        ulong primaryField = vmcs[VmcsField.PrimaryProcessorBasedControls];
        if (!_primary.Allow(primaryField))
        {
            return Execution(vmcs, VmcsField.PrimaryProcessorBasedControls, "Primary processor-based controls must be as IA32_VMX_(TRUE_)PROCBASED_CTLS allows.");
        }

        SecondaryProcessorBasedControls secondary = EffectiveSecondaryControls(vmcs);
        if (secondary != 0 && !_secondary.Allow((uint)secondary))
        {
            return Execution(vmcs, VmcsField.SecondaryProcessorBasedControls, "Secondary processor-based controls must be as IA32_VMX_PROCBASED_CTLS2 allows.");
        }

        if (vmcs[VmcsField.Cr3TargetCount] > (_misc >> VmxMisc.Cr3TargetsShift & VmxMisc.Cr3TargetsMask))
        {
            return Execution(vmcs, VmcsField.Cr3TargetCount, "The CR3-target count must not exceed the number in IA32_VMX_MISC[24:16].");
        }

        return CheckBitmaps(vmcs, (PrimaryProcessorBasedControls)primaryField)
            ?? CheckNmiControls(vmcs, (PinBasedControls)pinField, (PrimaryProcessorBasedControls)primaryField)
            ?? CheckTranslationControls(vmcs, secondary);
    }

    private VmEntryFailure? CheckBitmaps(Vmcs vmcs, PrimaryProcessorBasedControls primary)
    {
        const string Rule = "A bitmap address must be 4-KiB-aligned and within the physical-address width.";
        if ((primary & PrimaryProcessorBasedControls.UseIoBitmaps) != 0)
        {
            if (!IsPageAddress(vmcs[VmcsField.IoBitmapAAddress]))
            {
                return Execution(vmcs, VmcsField.IoBitmapAAddress, Rule);
            }

            if (!IsPageAddress(vmcs[VmcsField.IoBitmapBAddress]))
            {
                return Execution(vmcs, VmcsField.IoBitmapBAddress, Rule);
            }
        }

        return (primary & PrimaryProcessorBasedControls.UseMsrBitmaps) != 0 && !IsPageAddress(vmcs[VmcsField.MsrBitmapAddress])
            ? Execution(vmcs, VmcsField.MsrBitmapAddress, Rule)
            : null;
    }

    private static VmEntryFailure? CheckNmiControls(Vmcs vmcs, PinBasedControls pin, PrimaryProcessorBasedControls primary)
    {
        if ((pin & (PinBasedControls.NmiExiting | PinBasedControls.VirtualNmis)) == PinBasedControls.VirtualNmis)
        {
            return Execution(vmcs, VmcsField.PinBasedControls, "\"Virtual NMIs\" needs \"NMI exiting\".");
        }

        return (pin & PinBasedControls.VirtualNmis) == 0 && (primary & PrimaryProcessorBasedControls.NmiWindowExiting) != 0
            ? Execution(vmcs, VmcsField.PrimaryProcessorBasedControls, "\"NMI-window exiting\" needs \"virtual NMIs\".")
            : null;
    }

    private VmEntryFailure? CheckTranslationControls(Vmcs vmcs, SecondaryProcessorBasedControls secondary)
    {
        if ((secondary & SecondaryProcessorBasedControls.EnableVpid) != 0 && vmcs[VmcsField.VirtualProcessorIdentifier] == 0)
        {
            return Execution(vmcs, VmcsField.VirtualProcessorIdentifier, "With \"enable VPID\" the VPID must not be 0, which is the host's.");
        }

        if ((secondary & SecondaryProcessorBasedControls.EnableEpt) != 0)
        {
            return IsValid(new EptPointer(vmcs[VmcsField.EptPointer]))
                ? null
                : Execution(vmcs, VmcsField.EptPointer, "The EPT pointer must have a memory type, a walk length and an A/D setting that IA32_VMX_EPT_VPID_CAP offers, and no reserved bit.");
        }

        return (secondary & SecondaryProcessorBasedControls.UnrestrictedGuest) != 0
            ? Execution(vmcs, VmcsField.SecondaryProcessorBasedControls, "\"Unrestricted guest\" needs \"enable EPT\".")
            : null;
    }

    private bool IsValid(EptPointer pointer)
    {
        EptVpidCapabilities memoryType = pointer.MemoryType switch
        {
            MemoryType.Uncacheable => EptVpidCapabilities.Uncacheable,
            MemoryType.WriteBack => EptVpidCapabilities.WriteBack,
            _ => EptVpidCapabilities.None,
        };
        EptVpidCapabilities levels = pointer.Levels == 4 ? EptVpidCapabilities.WalkLength4 : EptVpidCapabilities.None;
        return (_eptVpid & memoryType) != 0
            && (_eptVpid & levels) != 0
            && (!pointer.AccessedAndDirty || (_eptVpid & EptVpidCapabilities.AccessedAndDirty) != 0)
            && (pointer.Value & (_beyondPhysicalWidth | 0xF80)) == 0;
    }

    private bool IsPageAddress(ulong address) => (address & (_beyondPhysicalWidth | 0xFFF)) == 0;

    private static VmEntryFailure Execution(Vmcs vmcs, VmcsField field, string rule)
        => Invalid(VmEntryFailureKind.Controls, "27.2.1.1", vmcs, field, rule);
}
