namespace Vmm.Vmx;

public sealed partial class VmEntryChecks
{
    /// <summary>Segment registers (SDM Vol. 3C 27.3.1.2).</summary>
    private static VmEntryFailure? CheckGuestSegments(Vmcs vmcs)
        => CheckSelectors(vmcs)
            ?? (IsVirtual8086(vmcs) ? CheckVirtual8086Segments(vmcs) : CheckCodeAndDataSegments(vmcs))
            ?? CheckTaskRegister(vmcs)
            ?? CheckLocalDescriptorTable(vmcs);

    private static VmEntryFailure? CheckSelectors(Vmcs vmcs)
    {
        const ulong TableIndicator = 1 << 2;
        if ((vmcs[VmcsField.GuestTrSelector] & TableIndicator) != 0)
        {
            return Segment(vmcs, VmcsField.GuestTrSelector, "TI of the selector of TR must be 0.");
        }

        if (Rights(vmcs, SegmentRegister.Ldtr).IsUsable && (vmcs[VmcsField.GuestLdtrSelector] & TableIndicator) != 0)
        {
            return Segment(vmcs, VmcsField.GuestLdtrSelector, "TI of the selector of LDTR must be 0.");
        }

        return !IsVirtual8086(vmcs) && !IsUnrestricted(vmcs)
            && ((vmcs[VmcsField.GuestSsSelector] ^ vmcs[VmcsField.GuestCsSelector]) & 3) != 0
            ? Segment(vmcs, VmcsField.GuestSsSelector, "RPL of SS must equal RPL of CS without \"unrestricted guest\".")
            : null;
    }

    private static VmEntryFailure? CheckVirtual8086Segments(Vmcs vmcs)
    {
        for (SegmentRegister segment = SegmentRegister.Es; segment <= SegmentRegister.Gs; segment++)
        {
            if (vmcs[GuestSegmentFields.Base(segment)] != vmcs[GuestSegmentFields.Selector(segment)] << 4)
            {
                return Segment(vmcs, GuestSegmentFields.Base(segment), "In virtual-8086 mode a base address must be the selector times 16.");
            }

            if (vmcs[GuestSegmentFields.Limit(segment)] != 0xFFFF)
            {
                return Segment(vmcs, GuestSegmentFields.Limit(segment), "In virtual-8086 mode a limit must be 0xFFFF.");
            }

            if (vmcs[GuestSegmentFields.AccessRights(segment)] != 0xF3)
            {
                return Segment(vmcs, GuestSegmentFields.AccessRights(segment), "In virtual-8086 mode access rights must be 0xF3.");
            }
        }

        return null;
    }

    private static VmEntryFailure? CheckCodeAndDataSegments(Vmcs vmcs)
    {
        bool unrestricted = IsUnrestricted(vmcs);
        for (SegmentRegister segment = SegmentRegister.Es; segment <= SegmentRegister.Gs; segment++)
        {
            SegmentAccessRights rights = Rights(vmcs, segment);
            VmEntryFailure? failure = CheckBase(vmcs, segment, rights) ?? segment switch
            {
                SegmentRegister.Cs => CheckCodeSegment(vmcs, rights, unrestricted),
                SegmentRegister.Ss => CheckStackSegment(vmcs, rights, unrestricted),
                _ => CheckDataSegment(vmcs, segment, rights, unrestricted),
            };
            if (failure is not null)
            {
                return failure;
            }

            if ((segment == SegmentRegister.Cs || rights.IsUsable) && CheckCommonRights(vmcs, segment, rights, codeOrData: true) is { } common)
            {
                return common;
            }
        }

        return null;
    }

    private static VmEntryFailure? CheckBase(Vmcs vmcs, SegmentRegister segment, SegmentAccessRights rights)
    {
        VmcsField field = GuestSegmentFields.Base(segment);
        if (segment is SegmentRegister.Fs or SegmentRegister.Gs)
        {
            return LinearAddress.IsCanonical(vmcs[field]) ? null : Segment(vmcs, field, "Base addresses of FS and GS must be canonical.");
        }

        return (segment == SegmentRegister.Cs || rights.IsUsable) && vmcs[field] >> 32 != 0
            ? Segment(vmcs, field, "Bits 63:32 of the base addresses of CS, SS, DS and ES must be 0.")
            : null;
    }

    private static VmEntryFailure? CheckCodeSegment(Vmcs vmcs, SegmentAccessRights rights, bool unrestricted)
    {
        uint stackDpl = Rights(vmcs, SegmentRegister.Ss).Dpl;
        string? rule = rights.Type switch
        {
            3 when unrestricted => rights.Dpl == 0 ? null : "DPL of a CS with data type must be 0.",
            9 or 11 => rights.Dpl == stackDpl ? null : "DPL of a non-conforming CS must equal DPL of SS.",
            13 or 15 => rights.Dpl <= stackDpl ? null : "DPL of a conforming CS cannot be greater than DPL of SS.",
            _ => "CS must be an accessed code segment (or writable data, type 3, with \"unrestricted guest\").",
        };
        if (rule is not null)
        {
            return Segment(vmcs, VmcsField.GuestCsAccessRights, rule);
        }

        return IsIa32eGuest(vmcs) && rights.IsLong && rights.IsBig
            ? Segment(vmcs, VmcsField.GuestCsAccessRights, "D must be 0 in a 64-bit CS.")
            : null;
    }

    private static VmEntryFailure? CheckStackSegment(Vmcs vmcs, SegmentAccessRights rights, bool unrestricted)
    {
        if (rights.IsUsable && rights.Type is not (3 or 7))
        {
            return Segment(vmcs, VmcsField.GuestSsAccessRights, "SS must be an accessed, writable data segment.");
        }

        if (!unrestricted && rights.Dpl != (vmcs[VmcsField.GuestSsSelector] & 3))
        {
            return Segment(vmcs, VmcsField.GuestSsAccessRights, "DPL of SS must equal RPL of its selector without \"unrestricted guest\".");
        }

        bool mustBeZero = Rights(vmcs, SegmentRegister.Cs).Type == 3 || (vmcs[VmcsField.GuestCr0] & (ulong)Cr0Bits.Pe) == 0;
        return mustBeZero && rights.Dpl != 0
            ? Segment(vmcs, VmcsField.GuestSsAccessRights, "DPL of SS must be 0 in real mode and while CS has type 3.")
            : null;
    }

    private static VmEntryFailure? CheckDataSegment(Vmcs vmcs, SegmentRegister segment, SegmentAccessRights rights, bool unrestricted)
    {
        if (!rights.IsUsable)
        {
            return null;
        }

        VmcsField field = GuestSegmentFields.AccessRights(segment);
        if (!rights.IsAccessed)
        {
            return Segment(vmcs, field, "DS, ES, FS and GS must be accessed segments.");
        }

        if (rights.IsCode && !rights.IsReadableOrWritable)
        {
            return Segment(vmcs, field, "A code segment in DS, ES, FS or GS must be readable.");
        }

        // Types 0 to 11: data and non-conforming code
        return !unrestricted && rights.Type <= 11 && rights.Dpl < (vmcs[GuestSegmentFields.Selector(segment)] & 3)
            ? Segment(vmcs, field, "DPL cannot be less than RPL of the selector without \"unrestricted guest\".")
            : null;
    }

    private static VmEntryFailure? CheckTaskRegister(Vmcs vmcs)
    {
        SegmentAccessRights rights = Rights(vmcs, SegmentRegister.Tr);
        if (!LinearAddress.IsCanonical(vmcs[VmcsField.GuestTrBase]))
        {
            return Segment(vmcs, VmcsField.GuestTrBase, "The base address of TR must be canonical.");
        }

        if (rights.Type != 11 && (rights.Type != 3 || IsIa32eGuest(vmcs)))
        {
            return Segment(vmcs, VmcsField.GuestTrAccessRights, "TR must be a busy TSS: type 11, or 3 (16-bit) outside IA-32e mode.");
        }

        return rights.IsUsable
            ? CheckCommonRights(vmcs, SegmentRegister.Tr, rights, codeOrData: false)
            : Segment(vmcs, VmcsField.GuestTrAccessRights, "TR must be usable.");
    }

    private static VmEntryFailure? CheckLocalDescriptorTable(Vmcs vmcs)
    {
        SegmentAccessRights rights = Rights(vmcs, SegmentRegister.Ldtr);
        if (!rights.IsUsable)
        {
            return null;
        }

        if (!LinearAddress.IsCanonical(vmcs[VmcsField.GuestLdtrBase]))
        {
            return Segment(vmcs, VmcsField.GuestLdtrBase, "The base address of LDTR must be canonical.");
        }

        return rights.Type == 2
            ? CheckCommonRights(vmcs, SegmentRegister.Ldtr, rights, codeOrData: false)
            : Segment(vmcs, VmcsField.GuestLdtrAccessRights, "LDTR must have type 2.");
    }

    /// <summary>S, P, reserved bits and the agreement of G with the limit: the same for every usable register.</summary>
    private static VmEntryFailure? CheckCommonRights(Vmcs vmcs, SegmentRegister segment, SegmentAccessRights rights, bool codeOrData)
    {
        VmcsField field = GuestSegmentFields.AccessRights(segment);
        if (rights.IsCodeOrData != codeOrData)
        {
            return Segment(vmcs, field, codeOrData ? "S must be 1." : "S must be 0.");
        }

        if (!rights.IsPresent)
        {
            return Segment(vmcs, field, "P must be 1.");
        }

        if ((rights.Value & SegmentAccessRights.ReservedBits) != 0)
        {
            return Segment(vmcs, field, "Bits 11:8 and 31:17 of access rights must be 0.");
        }

        ulong limit = vmcs[GuestSegmentFields.Limit(segment)];
        if (rights.IsGranular && (limit & 0xFFF) != 0xFFF)
        {
            return Segment(vmcs, field, "G must be 0 when any of bits 11:0 of the limit is 0.");
        }

        return !rights.IsGranular && limit >> 20 != 0
            ? Segment(vmcs, field, "G must be 1 when any of bits 31:20 of the limit is 1.")
            : null;
    }

    private static SegmentAccessRights Rights(Vmcs vmcs, SegmentRegister segment)
        => new((uint)vmcs[GuestSegmentFields.AccessRights(segment)]);

    private static VmEntryFailure Segment(Vmcs vmcs, VmcsField field, string rule)
        => Invalid(VmEntryFailureKind.GuestState, "27.3.1.2", vmcs, field, rule);
}
