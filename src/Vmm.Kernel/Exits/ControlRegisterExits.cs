using System.Runtime.CompilerServices;

namespace Vmm.Kernel;

/// <summary>
/// MOV to CR0 and CR4 that touches a bit the host owns, and CR8. Host-owned are CR0.NE and CR4.VMXE, which VMX operation
/// fixes to 1 (SDM Vol. 3C 24.8); the guest sees its own values in the read shadows.
/// </summary>
internal static class ControlRegisterExits
{
    public static VmExitAction Handle(VirtualProcessor processor, ref VmExit exit)
    {
        var qualification = new ControlRegisterQualification(exit.Qualification);
        ref ulong register = ref Unsafe.Add(ref processor.Registers.Rax, qualification.GeneralRegister);
        switch (qualification.Access, qualification.Register)
        {
            case (ControlRegisterAccess.MovToCr, 8):
                if (register > 0xF)
                {
                    break;
                }

                processor.Apic.Cr8 = (uint)register;
                return VmExitAction.NextInstruction;
            case (ControlRegisterAccess.MovFromCr, 8):
                register = processor.Apic.Cr8;
                return VmExitAction.NextInstruction;
            case (ControlRegisterAccess.MovToCr, 0):
                if (TrySetCr0(processor, register))
                {
                    return VmExitAction.NextInstruction;
                }

                break;
            case (ControlRegisterAccess.Clts, _):
                processor.Vmcs[VmcsField.GuestCr0] &= ~(ulong)Cr0Bits.Ts;
                return VmExitAction.NextInstruction;
        }

        // CR4.VMXE can be set by no guest: CPUID does not announce VMX.
        processor.InjectException((byte)ExceptionVector.GeneralProtection, 0);
        return VmExitAction.Resume;
    }

    /// <summary>MOV to CR0 as the processor does it (SDM Vol. 2B, MOV to control registers; Vol. 3A 10.8.5 for long mode).</summary>
    private static bool TrySetCr0(VirtualProcessor processor, ulong value)
    {
        VmcsAccess vmcs = processor.Vmcs;
        ulong old = vmcs[VmcsField.GuestCr0];
        var efer = (EferBits)vmcs[VmcsField.GuestIa32Efer];
        var cr4 = (Cr4Bits)vmcs[VmcsField.GuestCr4];
        bool paging = (value & (ulong)Cr0Bits.Pg) != 0, wasPaging = (old & (ulong)Cr0Bits.Pg) != 0;
        bool longMode = efer.HasFlag(EferBits.Lme);
        if (value > uint.MaxValue || (paging && (value & (ulong)Cr0Bits.Pe) == 0)
            || ((value & (ulong)Cr0Bits.Nw) != 0 && (value & (ulong)Cr0Bits.Cd) == 0)
            || (paging && longMode && !cr4.HasFlag(Cr4Bits.Pae))
            || (!paging && wasPaging && efer.HasFlag(EferBits.Lma) && (vmcs[VmcsField.GuestCsAccessRights] & (1 << 13)) != 0))
        {
            return false;
        }

        if (paging != wasPaging && longMode)
        {
            vmcs[VmcsField.GuestIa32Efer] = (ulong)(paging ? efer | EferBits.Lma : efer & ~EferBits.Lma);
        }

        processor.SetCr0(value);
        return true;
    }
}
