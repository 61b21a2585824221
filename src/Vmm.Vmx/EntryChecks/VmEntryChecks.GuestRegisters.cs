namespace Vmm.Vmx;

public sealed partial class VmEntryChecks
{
    // Bits 5:2 and 63:16 (SDM Vol. 4, IA32_DEBUGCTL)
    private const ulong ReservedDebugctlBits = ~0xFFC3ul;

    /// <summary>Guest control registers, debug registers and MSRs (SDM Vol. 3C 27.3.1.1).</summary>
    private VmEntryFailure? CheckGuestControlRegistersAndMsrs(Vmcs vmcs)
        => CheckGuestControlRegisters(vmcs) ?? CheckGuestDebugState(vmcs) ?? CheckGuestMsrs(vmcs);

    private VmEntryFailure? CheckGuestControlRegisters(Vmcs vmcs)
    {
        ulong cr0 = vmcs[VmcsField.GuestCr0];

        // NW and CD are not changed by VM entry and never checked; an unrestricted guest may run without PE and PG
        const ulong Unchecked = (ulong)(Cr0Bits.Nw | Cr0Bits.Cd);
        ulong mustBeOne = _cr0Fixed0 & ~Unchecked;
        if (IsUnrestricted(vmcs))
        {
            mustBeOne &= ~(ulong)(Cr0Bits.Pe | Cr0Bits.Pg);
        }

        if (!IsFixed(cr0, mustBeOne, _cr0Fixed1 | Unchecked))
        {
            return Guest(vmcs, VmcsField.GuestCr0, "CR0 must be as IA32_VMX_CR0_FIXED0 and _FIXED1 allow (PE and PG are free with \"unrestricted guest\").");
        }

        if ((cr0 & (ulong)(Cr0Bits.Pg | Cr0Bits.Pe)) == (ulong)Cr0Bits.Pg)
        {
            return Guest(vmcs, VmcsField.GuestCr0, "CR0.PG needs CR0.PE.");
        }

        ulong cr4 = vmcs[VmcsField.GuestCr4];
        if (!IsFixed(cr4, _cr4Fixed0, _cr4Fixed1))
        {
            return Guest(vmcs, VmcsField.GuestCr4, "CR4 must be as IA32_VMX_CR4_FIXED0 and _FIXED1 allow.");
        }

        if (IsIa32eGuest(vmcs))
        {
            if ((cr0 & (ulong)Cr0Bits.Pg) == 0)
            {
                return Guest(vmcs, VmcsField.GuestCr0, "\"IA-32e mode guest\" needs CR0.PG.");
            }

            if ((cr4 & (ulong)Cr4Bits.Pae) == 0)
            {
                return Guest(vmcs, VmcsField.GuestCr4, "\"IA-32e mode guest\" needs CR4.PAE.");
            }
        }
        else if ((cr4 & (ulong)Cr4Bits.Pcide) != 0)
        {
            return Guest(vmcs, VmcsField.GuestCr4, "CR4.PCIDE needs \"IA-32e mode guest\".");
        }

        return (vmcs[VmcsField.GuestCr3] & _beyondPhysicalWidth) != 0
            ? Guest(vmcs, VmcsField.GuestCr3, "CR3 must be within the physical-address width.")
            : null;
    }

    private static VmEntryFailure? CheckGuestDebugState(Vmcs vmcs)
    {
        if ((vmcs[VmcsField.VmEntryControls] & (ulong)VmEntryControls.LoadDebugControls) == 0)
        {
            return null;
        }

        if ((vmcs[VmcsField.GuestIa32Debugctl] & ReservedDebugctlBits) != 0)
        {
            return Guest(vmcs, VmcsField.GuestIa32Debugctl, "Reserved bits of IA32_DEBUGCTL must be 0.");
        }

        return vmcs[VmcsField.GuestDr7] >> 32 != 0
            ? Guest(vmcs, VmcsField.GuestDr7, "Bits 63:32 of DR7 must be 0.")
            : null;
    }

    private static VmEntryFailure? CheckGuestMsrs(Vmcs vmcs)
    {
        if (!LinearAddress.IsCanonical(vmcs[VmcsField.GuestIa32SysenterEsp]))
        {
            return Guest(vmcs, VmcsField.GuestIa32SysenterEsp, "IA32_SYSENTER_ESP must be canonical.");
        }

        if (!LinearAddress.IsCanonical(vmcs[VmcsField.GuestIa32SysenterEip]))
        {
            return Guest(vmcs, VmcsField.GuestIa32SysenterEip, "IA32_SYSENTER_EIP must be canonical.");
        }

        VmEntryControls controls = (VmEntryControls)vmcs[VmcsField.VmEntryControls];
        if ((controls & VmEntryControls.LoadIa32Pat) != 0 && !PageAttributeTable.IsValid(vmcs[VmcsField.GuestIa32Pat]))
        {
            return Guest(vmcs, VmcsField.GuestIa32Pat, "Each byte of IA32_PAT must be 0, 1, 4, 5, 6 or 7.");
        }

        return (controls & VmEntryControls.LoadIa32Efer) != 0 ? CheckGuestEfer(vmcs) : null;
    }

    private static VmEntryFailure? CheckGuestEfer(Vmcs vmcs)
    {
        ulong efer = vmcs[VmcsField.GuestIa32Efer];
        if ((efer & ~DefinedEferBits) != 0)
        {
            return Guest(vmcs, VmcsField.GuestIa32Efer, "Reserved bits of IA32_EFER must be 0.");
        }

        bool lma = (efer & (ulong)EferBits.Lma) != 0;
        if (lma != IsIa32eGuest(vmcs))
        {
            return Guest(vmcs, VmcsField.GuestIa32Efer, "IA32_EFER.LMA must equal \"IA-32e mode guest\".");
        }

        bool paging = (vmcs[VmcsField.GuestCr0] & (ulong)Cr0Bits.Pg) != 0;
        bool lme = (efer & (ulong)EferBits.Lme) != 0;
        return paging && lma != lme
            ? Guest(vmcs, VmcsField.GuestIa32Efer, "IA32_EFER.LMA must equal LME while CR0.PG is 1.")
            : null;
    }

    /// <summary>Descriptor-table registers (SDM Vol. 3C 27.3.1.3).</summary>
    private static VmEntryFailure? CheckGuestDescriptorTables(Vmcs vmcs)
    {
        const string Section = "27.3.1.3";
        for (int table = 0; table < 2; table++)
        {
            VmcsField baseField = (VmcsField)((int)VmcsField.GuestGdtrBase + 2 * table);
            if (!LinearAddress.IsCanonical(vmcs[baseField]))
            {
                return Invalid(VmEntryFailureKind.GuestState, Section, vmcs, baseField, "Base addresses of GDTR and IDTR must be canonical.");
            }

            VmcsField limitField = (VmcsField)((int)VmcsField.GuestGdtrLimit + 2 * table);
            if (vmcs[limitField] > ushort.MaxValue)
            {
                return Invalid(VmEntryFailureKind.GuestState, Section, vmcs, limitField, "Bits 31:16 of the limits of GDTR and IDTR must be 0.");
            }
        }

        return null;
    }

    /// <summary>RIP and RFLAGS (SDM Vol. 3C 27.3.1.4).</summary>
    private static VmEntryFailure? CheckGuestRipAndRflags(Vmcs vmcs)
    {
        ulong rip = vmcs[VmcsField.GuestRip];
        bool is64Bit = IsIa32eGuest(vmcs) && new SegmentAccessRights((uint)vmcs[VmcsField.GuestCsAccessRights]).IsLong;
        if (!is64Bit && rip >> 32 != 0)
        {
            return RipOrRflags(vmcs, VmcsField.GuestRip, "Bits 63:32 of RIP must be 0 outside 64-bit mode.");
        }

        // Identical with each other, not with bit 47: a non-canonical RIP faults in the guest
        if (is64Bit && rip >> LinearAddress.Bits is not (0 or 0xFFFF))
        {
            return RipOrRflags(vmcs, VmcsField.GuestRip, "Bits 63:48 of RIP must be identical.");
        }

        // Reserved: 63:22, 15, 5, 3
        const ulong Reserved = ~0x3F_FFFFul | 1ul << 15 | 1ul << 5 | 1ul << 3;
        ulong rflags = vmcs[VmcsField.GuestRflags];
        if ((rflags & (Reserved | (ulong)RflagsBits.Fixed1)) != (ulong)RflagsBits.Fixed1)
        {
            return RipOrRflags(vmcs, VmcsField.GuestRflags, "Reserved bits of RFLAGS must be 0 and bit 1 must be 1.");
        }

        bool protectedMode = (vmcs[VmcsField.GuestCr0] & (ulong)Cr0Bits.Pe) != 0;
        if ((rflags & (ulong)RflagsBits.Vm) != 0 && (IsIa32eGuest(vmcs) || !protectedMode))
        {
            return RipOrRflags(vmcs, VmcsField.GuestRflags, "RFLAGS.VM must be 0 in IA-32e mode and in real mode.");
        }

        InterruptionInformation injection = new((uint)vmcs[VmcsField.EntryInterruptionInformation]);
        return injection.IsValid && injection.Type == InterruptionType.ExternalInterrupt && (rflags & (ulong)RflagsBits.If) == 0
            ? RipOrRflags(vmcs, VmcsField.GuestRflags, "RFLAGS.IF must be 1 to inject an external interrupt.")
            : null;
    }

    private static VmEntryFailure Guest(Vmcs vmcs, VmcsField field, string rule)
        => Invalid(VmEntryFailureKind.GuestState, "27.3.1.1", vmcs, field, rule);

    private static VmEntryFailure RipOrRflags(Vmcs vmcs, VmcsField field, string rule)
        => Invalid(VmEntryFailureKind.GuestState, "27.3.1.4", vmcs, field, rule);
}
