using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Vmx;

/// <summary>
/// The guest-state area of the current VMCS (SDM Vol. 3C 25.4): while a VMCS is current, the processor state itself is
/// where these fields live. Fields without a counterpart in the state stay in the VMCS.
/// </summary>
internal static unsafe class GuestStateArea
{
    private static readonly VmcsField[] Fields = FindFields();

    /// <summary>Copies the fields of a VMCS that becomes current into the processor.</summary>
    public static void Load(CpuState* s, Vmcs vmcs)
    {
        foreach (VmcsField field in Fields)
        {
            TryWrite(s, field, vmcs[field]);
        }
    }

    /// <summary>Copies the processor into the fields of its VMCS.</summary>
    public static void Store(CpuState* s, Vmcs vmcs)
    {
        foreach (VmcsField field in Fields)
        {
            TryRead(s, field, out ulong value);
            vmcs[field] = value;
        }
    }

    /// <summary>Reads a field from the processor; false for fields that live in the VMCS.</summary>
    public static bool TryRead(CpuState* s, VmcsField field, out ulong value)
    {
        switch (field)
        {
            case >= VmcsField.GuestEsSelector and <= VmcsField.GuestTrSelector:
                value = Segment(s, field, VmcsField.GuestEsSelector)->Selector;
                return true;
            case >= VmcsField.GuestEsLimit and <= VmcsField.GuestTrLimit:
                value = Segment(s, field, VmcsField.GuestEsLimit)->Limit;
                return true;
            case >= VmcsField.GuestEsAccessRights and <= VmcsField.GuestTrAccessRights:
                value = Segment(s, field, VmcsField.GuestEsAccessRights)->AccessRights;
                return true;
            case >= VmcsField.GuestEsBase and <= VmcsField.GuestTrBase:
                value = Segment(s, field, VmcsField.GuestEsBase)->Base;
                return true;
            case VmcsField.GuestGdtrLimit:
                value = s->GdtrLimit;
                return true;
            case VmcsField.GuestIdtrLimit:
                value = s->IdtrLimit;
                return true;
            case VmcsField.GuestRflags:
                value = ArithmeticFlags.ReadRflags(s);
                return true;
            case VmcsField.GuestInterruptibilityState:
                value = s->Interruptibility;
                return true;
            case VmcsField.GuestActivityState:
                value = s->Activity;
                return true;
        }

        ulong* register = Register(s, field);
        value = register == null ? 0 : *register;
        return register != null;
    }

    /// <summary>Writes a field to the processor, raw; false for fields that live in the VMCS.</summary>
    public static bool TryWrite(CpuState* s, VmcsField field, ulong value)
    {
        switch (field)
        {
            case >= VmcsField.GuestEsSelector and <= VmcsField.GuestTrSelector:
                Segment(s, field, VmcsField.GuestEsSelector)->Selector = (ushort)value;
                return true;
            case >= VmcsField.GuestEsLimit and <= VmcsField.GuestTrLimit:
                Segment(s, field, VmcsField.GuestEsLimit)->Limit = (uint)value;
                return true;
            case >= VmcsField.GuestEsAccessRights and <= VmcsField.GuestTrAccessRights:
                Segment(s, field, VmcsField.GuestEsAccessRights)->AccessRights = (uint)value;
                return true;
            case >= VmcsField.GuestEsBase and <= VmcsField.GuestTrBase:
                Segment(s, field, VmcsField.GuestEsBase)->Base = value;
                return true;
            case VmcsField.GuestGdtrLimit:
                s->GdtrLimit = (ushort)value;
                return true;
            case VmcsField.GuestIdtrLimit:
                s->IdtrLimit = (ushort)value;
                return true;
            case VmcsField.GuestRflags:
                // Bit 1 as written: the entry checks it.
                ArithmeticFlags.WriteRflags(s, value);
                s->SystemFlags = value & ~ArithmeticFlags.All;
                return true;
            case VmcsField.GuestInterruptibilityState:
                s->Interruptibility = (byte)value;
                return true;
            case VmcsField.GuestActivityState:
                s->Activity = (byte)value;
                return true;
        }

        ulong* register = Register(s, field);
        if (register == null)
        {
            return false;
        }

        *register = value;
        return true;
    }

    private static SegmentCache* Segment(CpuState* s, VmcsField field, VmcsField first) => &s->Es + (((int)field - (int)first) >> 1);

    private static ulong* Register(CpuState* s, VmcsField field) => field switch
    {
        VmcsField.GuestCr0 => &s->Cr0,
        VmcsField.GuestCr3 => &s->Cr3,
        VmcsField.GuestCr4 => &s->Cr4,
        VmcsField.GuestDr7 => &s->Dr[7],
        VmcsField.GuestRsp => &s->Gpr.Rsp,
        VmcsField.GuestRip => &s->Rip,
        VmcsField.GuestGdtrBase => &s->GdtrBase,
        VmcsField.GuestIdtrBase => &s->IdtrBase,
        VmcsField.GuestPendingDebugExceptions => &s->PendingDebugExceptions,
        VmcsField.GuestIa32SysenterCs => &s->SysenterCs,
        VmcsField.GuestIa32SysenterEsp => &s->SysenterEsp,
        VmcsField.GuestIa32SysenterEip => &s->SysenterEip,
        VmcsField.GuestIa32Debugctl => &s->DebugCtl,
        VmcsField.GuestIa32Pat => &s->Pat,
        VmcsField.GuestIa32Efer => &s->Efer,
        VmcsField.GuestPdpte0 => &s->Pdpte0,
        VmcsField.GuestPdpte1 => &s->Pdpte1,
        VmcsField.GuestPdpte2 => &s->Pdpte2,
        VmcsField.GuestPdpte3 => &s->Pdpte3,
        _ => null,
    };

    private static VmcsField[] FindFields()
    {
        CpuState scratch = default;
        List<VmcsField> fields = [];
        foreach (VmcsField field in VmcsFields.All)
        {
            if (TryRead(&scratch, field, out _))
            {
                fields.Add(field);
            }
        }

        return [.. fields];
    }
}
