using Vmm.Engine.Kvm.Interop;
using Vmm.Engine.Kvm.Processor;

namespace Vmm.Engine.Kvm.Vmx;

/// <summary>
/// The guest-state area of the current VMCS (SDM Vol. 3C 25.4) in the structures of KVM: while a VMCS is current, these
/// are where its fields live.
/// </summary>
internal sealed class GuestStateFields(RegisterFile registers, MsrAccess msrs)
{
    private static readonly VmcsField[] Live = [.. VmcsFields.All.ToArray().Where(IsLive)];

    /// <summary>Whether a field lives in KVM rather than in the VMCS.</summary>
    public static bool IsLive(VmcsField field) =>
        field.Type == VmcsFieldType.GuestState && FieldHome.IsSupported(field)
        && field is not (VmcsField.GuestActivityState or VmcsField.VmcsLinkPointer);

    /// <summary>Copies KVM's state into the fields of a VMCS.</summary>
    public void Store(Vmcs vmcs)
    {
        foreach (VmcsField field in Live)
        {
            vmcs[field] = Read(field);
        }
    }

    /// <summary>Copies the fields of a VMCS that becomes current into KVM's state.</summary>
    public void Load(Vmcs vmcs)
    {
        foreach (VmcsField field in Live)
        {
            Write(field, vmcs[field]);
        }
    }

    /// <summary>Reads a live field.</summary>
    public unsafe ulong Read(VmcsField field)
    {
        switch (field)
        {
            case VmcsField.GuestRip:
                return registers.Rip;
            case VmcsField.GuestRflags:
                return registers.Rflags;
            case VmcsField.GuestRsp:
                return registers.General.Rsp;
            case VmcsField.GuestInterruptibilityState:
                return (ulong)ReadInterruptibility();
            case VmcsField.GuestDr7:
                return registers.Debug.Dr7;
        }

        if (MsrOf(field) is { } msr)
        {
            return msrs.Read(msr);
        }

        KvmSpecialRegisters special = registers.Special;
        return field switch
        {
            VmcsField.GuestCr0 => special.Cr0,
            VmcsField.GuestCr3 => special.Cr3,
            VmcsField.GuestCr4 => special.Cr4,
            VmcsField.GuestIa32Efer => special.Efer,
            VmcsField.GuestGdtrBase => special.Gdt.Base,
            VmcsField.GuestGdtrLimit => special.Gdt.Limit,
            VmcsField.GuestIdtrBase => special.Idt.Base,
            VmcsField.GuestIdtrLimit => special.Idt.Limit,
            >= VmcsField.GuestPdpte0 and <= VmcsField.GuestPdpte3 => special.Pdptrs[Index(field, VmcsField.GuestPdpte0)],
            <= VmcsField.GuestTrSelector => Segment(ref special, field, VmcsField.GuestEsSelector).Selector,
            <= VmcsField.GuestTrLimit => Segment(ref special, field, VmcsField.GuestEsLimit).Limit,
            <= VmcsField.GuestTrAccessRights => SegmentForm.AccessRights(Segment(ref special, field, VmcsField.GuestEsAccessRights)),
            _ => Segment(ref special, field, VmcsField.GuestEsBase).Base,
        };
    }

    /// <summary>Writes a live field, raw.</summary>
    public unsafe void Write(VmcsField field, ulong value)
    {
        switch (field)
        {
            case VmcsField.GuestRip:
                registers.Rip = value;
                return;
            case VmcsField.GuestRflags:
                registers.Rflags = value;
                return;
            case VmcsField.GuestRsp:
                registers.General.Rsp = value;
                return;
            case VmcsField.GuestInterruptibilityState:
                WriteInterruptibility((InterruptibilityState)value);
                return;
            case VmcsField.GuestDr7:
                registers.DebugForWriting.Dr7 = value;
                return;
        }

        if (MsrOf(field) is { } msr)
        {
            msrs.Write(msr, value);
            return;
        }

        ref KvmSpecialRegisters special = ref registers.SpecialForWriting;
        switch (field)
        {
            case VmcsField.GuestCr0:
                special.Cr0 = value;
                break;
            case VmcsField.GuestCr3:
                special.Cr3 = value;
                special.Flags &= ~KvmSpecialRegisters.PdptrsValid; // read from memory, as MOV to CR3 does
                break;
            case VmcsField.GuestCr4:
                special.Cr4 = value;
                break;
            case VmcsField.GuestIa32Efer:
                special.Efer = value;
                break;
            case VmcsField.GuestGdtrBase:
                special.Gdt.Base = value;
                break;
            case VmcsField.GuestGdtrLimit:
                special.Gdt.Limit = (ushort)value;
                break;
            case VmcsField.GuestIdtrBase:
                special.Idt.Base = value;
                break;
            case VmcsField.GuestIdtrLimit:
                special.Idt.Limit = (ushort)value;
                break;
            case >= VmcsField.GuestPdpte0 and <= VmcsField.GuestPdpte3:
                special.Pdptrs[Index(field, VmcsField.GuestPdpte0)] = value;
                break;
            case <= VmcsField.GuestTrSelector:
                Segment(ref special, field, VmcsField.GuestEsSelector).Selector = (ushort)value;
                break;
            case <= VmcsField.GuestTrLimit:
                Segment(ref special, field, VmcsField.GuestEsLimit).Limit = (uint)value;
                break;
            case <= VmcsField.GuestTrAccessRights:
                SegmentForm.SetAccessRights(ref Segment(ref special, field, VmcsField.GuestEsAccessRights), (uint)value);
                break;
            default:
                Segment(ref special, field, VmcsField.GuestEsBase).Base = value;
                break;
        }
    }

    // KVM queues NMIs and delivers them when their blocking ends, so blocking by NMI is no reason for the kernel to wait:
    // it shows only while the queue is full.
    private InterruptibilityState ReadInterruptibility()
    {
        KvmVcpuEvents events = registers.Events;
        return Shadow(events) | (events.NmiMasked != 0 && (events.NmiPending | events.NmiInjected) != 0 ? InterruptibilityState.BlockingByNmi : 0);
    }

    private void WriteInterruptibility(InterruptibilityState state)
    {
        ref KvmVcpuEvents events = ref registers.EventsForWriting;
        events.InterruptShadow = (byte)(
            ((state & InterruptibilityState.BlockingBySti) != 0 ? KvmVcpuEvents.ShadowSti : 0)
            | ((state & InterruptibilityState.BlockingByMovSs) != 0 ? KvmVcpuEvents.ShadowMovSs : 0));
        if ((state & InterruptibilityState.BlockingByNmi) != 0)
        {
            events.NmiMasked = 1;
        }
    }

    /// <summary>Blocking by STI and MOV SS, whose bits KVM has the other way round.</summary>
    public static InterruptibilityState Shadow(in KvmVcpuEvents events) =>
        ((events.InterruptShadow & KvmVcpuEvents.ShadowSti) != 0 ? InterruptibilityState.BlockingBySti : 0)
        | ((events.InterruptShadow & KvmVcpuEvents.ShadowMovSs) != 0 ? InterruptibilityState.BlockingByMovSs : 0);

    private static uint? MsrOf(VmcsField field) => field switch
    {
        VmcsField.GuestIa32Pat => Msr.Ia32Pat,
        VmcsField.GuestIa32Debugctl => Msr.Ia32Debugctl,
        VmcsField.GuestIa32SysenterCs => Msr.Ia32SysenterCs,
        VmcsField.GuestIa32SysenterEsp => Msr.Ia32SysenterEsp,
        VmcsField.GuestIa32SysenterEip => Msr.Ia32SysenterEip,
        _ => null,
    };

    private static ref KvmSegment Segment(ref KvmSpecialRegisters special, VmcsField field, VmcsField first) =>
        ref SegmentForm.Of(ref special, (SegmentRegister)Index(field, first));

    private static int Index(VmcsField field, VmcsField first) => ((int)field - (int)first) >> 1;
}
