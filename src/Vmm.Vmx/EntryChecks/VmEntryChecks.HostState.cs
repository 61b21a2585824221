namespace Vmm.Vmx;

public sealed partial class VmEntryChecks
{
    private const ulong DefinedEferBits = (ulong)(EferBits.Sce | EferBits.Lme | EferBits.Lma | EferBits.Nxe);

    /// <summary>Host control registers and MSRs (SDM Vol. 3C 27.2.2).</summary>
    private VmEntryFailure? CheckHostControlRegistersAndMsrs(Vmcs vmcs)
    {
        if (!IsFixed(vmcs[VmcsField.HostCr0], _cr0Fixed0, _cr0Fixed1))
        {
            return Host(vmcs, VmcsField.HostCr0, "CR0 must be as IA32_VMX_CR0_FIXED0 and _FIXED1 allow.");
        }

        if (!IsFixed(vmcs[VmcsField.HostCr4], _cr4Fixed0, _cr4Fixed1))
        {
            return Host(vmcs, VmcsField.HostCr4, "CR4 must be as IA32_VMX_CR4_FIXED0 and _FIXED1 allow.");
        }

        if ((vmcs[VmcsField.HostCr3] & _beyondPhysicalWidth) != 0)
        {
            return Host(vmcs, VmcsField.HostCr3, "CR3 must be within the physical-address width.");
        }

        if (!LinearAddress.IsCanonical(vmcs[VmcsField.HostIa32SysenterEsp]))
        {
            return Host(vmcs, VmcsField.HostIa32SysenterEsp, "IA32_SYSENTER_ESP must be canonical.");
        }

        if (!LinearAddress.IsCanonical(vmcs[VmcsField.HostIa32SysenterEip]))
        {
            return Host(vmcs, VmcsField.HostIa32SysenterEip, "IA32_SYSENTER_EIP must be canonical.");
        }

        VmExitControls controls = (VmExitControls)vmcs[VmcsField.VmExitControls];
        if ((controls & VmExitControls.LoadIa32Pat) != 0 && !PageAttributeTable.IsValid(vmcs[VmcsField.HostIa32Pat]))
        {
            return Host(vmcs, VmcsField.HostIa32Pat, "Each byte of IA32_PAT must be 0, 1, 4, 5, 6 or 7.");
        }

        return (controls & VmExitControls.LoadIa32Efer) != 0 ? CheckHostEfer(vmcs, controls) : null;
    }

    private static VmEntryFailure? CheckHostEfer(Vmcs vmcs, VmExitControls controls)
    {
        const ulong LongMode = (ulong)(EferBits.Lme | EferBits.Lma);
        ulong efer = vmcs[VmcsField.HostIa32Efer];
        if ((efer & ~DefinedEferBits) != 0)
        {
            return Host(vmcs, VmcsField.HostIa32Efer, "Reserved bits of IA32_EFER must be 0.");
        }

        ulong expected = (controls & VmExitControls.HostAddressSpaceSize) != 0 ? LongMode : 0;
        return (efer & LongMode) == expected
            ? null
            : Host(vmcs, VmcsField.HostIa32Efer, "IA32_EFER.LMA and LME must both equal \"host address-space size\".");
    }

    /// <summary>Host segment and descriptor-table registers (SDM Vol. 3C 27.2.3).</summary>
    private static VmEntryFailure? CheckHostSegments(Vmcs vmcs)
    {
        for (VmcsField field = VmcsField.HostEsSelector; field <= VmcsField.HostTrSelector; field += 2)
        {
            if ((vmcs[field] & 7) != 0)
            {
                return HostSegment(vmcs, field, "RPL and TI of a host selector must be 0.");
            }
        }

        if (vmcs[VmcsField.HostCsSelector] == 0)
        {
            return HostSegment(vmcs, VmcsField.HostCsSelector, "The selector of CS cannot be 0.");
        }

        if (vmcs[VmcsField.HostTrSelector] == 0)
        {
            return HostSegment(vmcs, VmcsField.HostTrSelector, "The selector of TR cannot be 0.");
        }

        bool is64BitHost = (vmcs[VmcsField.VmExitControls] & (ulong)VmExitControls.HostAddressSpaceSize) != 0;
        if (!is64BitHost && vmcs[VmcsField.HostSsSelector] == 0)
        {
            return HostSegment(vmcs, VmcsField.HostSsSelector, "The selector of SS cannot be 0 when \"host address-space size\" is 0.");
        }

        for (VmcsField field = VmcsField.HostFsBase; field <= VmcsField.HostIdtrBase; field += 2)
        {
            if (!LinearAddress.IsCanonical(vmcs[field]))
            {
                return HostSegment(vmcs, field, "Base addresses of FS, GS, TR, GDTR and IDTR must be canonical.");
            }
        }

        return null;
    }

    /// <summary>Address-space size (SDM Vol. 3C 27.2.4), for hosts in IA-32e mode: the only ones that VMX is offered to here.</summary>
    private static VmEntryFailure? CheckHostAddressSpace(Vmcs vmcs)
    {
        if ((vmcs[VmcsField.VmExitControls] & (ulong)VmExitControls.HostAddressSpaceSize) == 0)
        {
            return HostAddressSpace(vmcs, VmcsField.VmExitControls, "\"Host address-space size\" must be 1 when the host is in IA-32e mode.");
        }

        if ((vmcs[VmcsField.HostCr4] & (ulong)Cr4Bits.Pae) == 0)
        {
            return HostAddressSpace(vmcs, VmcsField.HostCr4, "CR4.PAE must be 1 for a 64-bit host.");
        }

        return LinearAddress.IsCanonical(vmcs[VmcsField.HostRip])
            ? null
            : HostAddressSpace(vmcs, VmcsField.HostRip, "RIP must be canonical for a 64-bit host.");
    }

    private static bool IsFixed(ulong value, ulong fixed0, ulong fixed1) => (value & fixed0) == fixed0 && (value & ~fixed1) == 0;

    private static VmEntryFailure Host(Vmcs vmcs, VmcsField field, string rule)
        => Invalid(VmEntryFailureKind.HostState, "27.2.2", vmcs, field, rule);

    private static VmEntryFailure HostSegment(Vmcs vmcs, VmcsField field, string rule)
        => Invalid(VmEntryFailureKind.HostState, "27.2.3", vmcs, field, rule);

    private static VmEntryFailure HostAddressSpace(Vmcs vmcs, VmcsField field, string rule)
        => Invalid(VmEntryFailureKind.HostState, "27.2.4", vmcs, field, rule);
}
