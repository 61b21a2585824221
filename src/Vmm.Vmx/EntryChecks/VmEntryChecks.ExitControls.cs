namespace Vmm.Vmx;

public sealed partial class VmEntryChecks
{
    /// <summary>VM-exit control fields (SDM Vol. 3C 27.2.1.2).</summary>
    private VmEntryFailure? CheckExitControls(Vmcs vmcs)
    {
        ulong controls = vmcs[VmcsField.VmExitControls];
        if (!_exit.Allow(controls))
        {
            return Exit(vmcs, VmcsField.VmExitControls, "VM-exit controls must be as IA32_VMX_(TRUE_)EXIT_CTLS allows.");
        }

        if ((vmcs[VmcsField.PinBasedControls] & (ulong)PinBasedControls.ActivatePreemptionTimer) == 0
            && (controls & (ulong)VmExitControls.SavePreemptionTimerValue) != 0)
        {
            return Exit(vmcs, VmcsField.VmExitControls, "\"Save VMX-preemption timer value\" needs \"activate VMX-preemption timer\".");
        }

        if (!IsMsrArea(vmcs, VmcsField.ExitMsrStoreCount, VmcsField.ExitMsrStoreAddress))
        {
            return Exit(vmcs, VmcsField.ExitMsrStoreAddress, MsrAreaRule);
        }

        return IsMsrArea(vmcs, VmcsField.ExitMsrLoadCount, VmcsField.ExitMsrLoadAddress)
            ? null
            : Exit(vmcs, VmcsField.ExitMsrLoadAddress, MsrAreaRule);
    }

    private const string MsrAreaRule = "An MSR area must be 16-byte-aligned and lie within the physical-address width from its first byte to its last.";

    private bool IsMsrArea(Vmcs vmcs, VmcsField countField, VmcsField addressField)
    {
        ulong count = vmcs[countField];
        if (count == 0)
        {
            return true;
        }

        ulong first = vmcs[addressField];
        ulong last = first + count * 16 - 1;
        return (first & (_beyondPhysicalWidth | 0xF)) == 0 && (last & _beyondPhysicalWidth) == 0;
    }

    private static VmEntryFailure Exit(Vmcs vmcs, VmcsField field, string rule)
        => Invalid(VmEntryFailureKind.Controls, "27.2.1.2", vmcs, field, rule);
}
