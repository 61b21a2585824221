namespace Vmm.Vmx;

public sealed partial class VmEntryChecks
{
    /// <summary>Page-directory-pointer-table entries (SDM Vol. 3C 27.3.1.6).</summary>
    private VmEntryFailure? CheckGuestPdptes(Vmcs vmcs)
    {
        bool pae = (vmcs[VmcsField.GuestCr0] & (ulong)Cr0Bits.Pg) != 0
            && (vmcs[VmcsField.GuestCr4] & (ulong)Cr4Bits.Pae) != 0
            && !IsIa32eGuest(vmcs);
        if (!pae)
        {
            return null;
        }

        // With EPT the PDPTEs are fields of the VMCS, else they are where CR3[31:5] points
        bool inVmcs = (EffectiveSecondaryControls(vmcs) & SecondaryProcessorBasedControls.EnableEpt) != 0;
        ulong table = vmcs[VmcsField.GuestCr3] & 0xFFFF_FFE0;

        // Present with bits 2:1, 8:5 or beyond the physical-address width (SDM Vol. 3A table 4-8)
        ulong reserved = _beyondPhysicalWidth | 0x1E6;
        for (int i = 0; i < 4; i++)
        {
            VmcsField field = (VmcsField)((int)VmcsField.GuestPdpte0 + 2 * i);
            ulong entry = inVmcs ? vmcs[field] : _readPhysical(table + 8 * (uint)i);
            if ((entry & 1) != 0 && (entry & reserved) != 0)
            {
                return new(
                    VmEntryFailureKind.GuestState,
                    "27.3.1.6",
                    inVmcs ? field : VmcsField.GuestCr3,
                    inVmcs ? entry : vmcs[VmcsField.GuestCr3],
                    inVmcs ? "A present PDPTE must have no reserved bit." : $"A present PDPTE must have no reserved bit; number {i} in memory is 0x{entry:X}.",
                    EntryFailureQualification.PdpteLoading);
            }
        }

        return null;
    }
}
