using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>MOV to and from control registers, CLTS, LMSW, SMSW; with the masks and shadows of VMX (SDM Vol. 3C 26.1.3, 26.3).</summary>
internal static unsafe class ControlRegisters
{
    private const ulong MachineStatusWord = 0xFFFF;

    public static void Register(HandlerTable table)
    {
        table.Set(Code.Mov_r32_cr, &MoveFrom, null);
        table.Set(Code.Mov_r64_cr, &MoveFrom, null);
        table.Set(Code.Mov_cr_r32, &MoveTo, null);
        table.Set(Code.Mov_cr_r64, &MoveTo, null);
        table.Set(Code.Clts, &ClearTaskSwitched);
        table.Set(Code.Lmsw_rm16, &LoadStatusWordRegister, &LoadStatusWordMemory);
        table.Set(Code.Lmsw_r32m16, &LoadStatusWordRegister, &LoadStatusWordMemory);
        table.Set(Code.Lmsw_r64m16, &LoadStatusWordRegister, &LoadStatusWordMemory);
        table.Set(Code.Smsw_rm16, &StoreStatusWord16, &StoreStatusWordMemory);
        table.Set(Code.Smsw_r32m16, &StoreStatusWord32, &StoreStatusWordMemory);
        table.Set(Code.Smsw_r64m16, &StoreStatusWord64, &StoreStatusWordMemory);
    }

    private static Outcome MoveFrom(CpuState* s, Instruction* i)
    {
        if (i->Source is not (0 or 2 or 3 or 4 or 8))
        {
            return Faults.InvalidOpcode(s);
        }

        if (!Privilege.IsSupervisor(s))
        {
            return Faults.GeneralProtection(s);
        }

        NonRoot nonRoot = Privilege.NonRoot(s);
        bool exits = i->Source switch
        {
            3 => nonRoot.Has(PrimaryProcessorBasedControls.Cr3StoreExiting),
            8 => nonRoot.Has(PrimaryProcessorBasedControls.Cr8StoreExiting),
            _ => false,
        };
        if (exits)
        {
            ulong qualification = ControlRegisterQualification.MovFrom(i->Source, Privilege.RegisterNumber(i->Destination)).Value;
            Outcome outcome = nonRoot.Exit(i, ExitReason.ControlRegisterAccess, qualification);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }
        }

        ulong value = i->Source switch
        {
            0 => VisibleCr0(s, nonRoot),
            2 => s->Cr2,
            3 => s->Cr3,
            4 => (s->Cr4 & ~nonRoot.Controls.Cr4Mask) | (nonRoot.Controls.Cr4Shadow & nonRoot.Controls.Cr4Mask),
            _ => s->Cr8,
        };
        if ((i->Flags & InstructionFlags.Code64) != 0)
        {
            Operands.WriteRegister(s, i->Destination, value);
        }
        else
        {
            Operands.WriteRegister(s, i->Destination, (uint)value);
        }

        return Outcome.Next;
    }

    private static Outcome MoveTo(CpuState* s, Instruction* i)
    {
        if (i->Destination is not (0 or 2 or 3 or 4 or 8))
        {
            return Faults.InvalidOpcode(s);
        }

        if (!Privilege.IsSupervisor(s))
        {
            return Faults.GeneralProtection(s);
        }

        ulong value = (i->Flags & InstructionFlags.Code64) != 0
            ? Operands.Register<ulong>(s, i->Source)
            : Operands.Register<uint>(s, i->Source);
        NonRoot nonRoot = Privilege.NonRoot(s);
        if (nonRoot.IsActive && ExitsOnWrite(nonRoot, i->Destination, value))
        {
            ulong qualification = ControlRegisterQualification.MovTo(i->Destination, Privilege.RegisterNumber(i->Source)).Value;
            Outcome outcome = nonRoot.Exit(i, ExitReason.ControlRegisterAccess, qualification);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }
        }

        switch (i->Destination)
        {
            case 0:
                return ControlRegisterWrites.WriteCr0(s, Merge(s->Cr0, value, nonRoot.Controls.Cr0Mask));
            case 2:
                s->Cr2 = value;
                return Outcome.Next;
            case 3:
                return ControlRegisterWrites.WriteCr3(s, value);
            case 4:
                return ControlRegisterWrites.WriteCr4(s, Merge(s->Cr4, value, nonRoot.Controls.Cr4Mask));
            default:
                if (value > 15)
                {
                    return Faults.GeneralProtection(s);
                }

                s->Cr8 = value;
                return Outcome.Next;
        }
    }

    private static bool ExitsOnWrite(NonRoot nonRoot, int register, ulong value) => register switch
    {
        0 => ((value ^ nonRoot.Controls.Cr0Shadow) & nonRoot.Controls.Cr0Mask) != 0,
        3 => nonRoot.Has(PrimaryProcessorBasedControls.Cr3LoadExiting) && !nonRoot.IsCr3Target(value),
        4 => ((value ^ nonRoot.Controls.Cr4Shadow) & nonRoot.Controls.Cr4Mask) != 0,
        8 => nonRoot.Has(PrimaryProcessorBasedControls.Cr8LoadExiting),
        _ => false,
    };

    // Bits that the host owns keep their values (26.3).
    private static ulong Merge(ulong current, ulong value, ulong hostMask) => (value & ~hostMask) | (current & hostMask);

    private static ulong VisibleCr0(CpuState* s, NonRoot nonRoot) =>
        (s->Cr0 & ~nonRoot.Controls.Cr0Mask) | (nonRoot.Controls.Cr0Shadow & nonRoot.Controls.Cr0Mask);

    private static Outcome ClearTaskSwitched(CpuState* s, Instruction* i)
    {
        const ulong Ts = (ulong)Cr0Bits.Ts;
        if (!Privilege.IsSupervisor(s))
        {
            return Faults.GeneralProtection(s);
        }

        NonRoot nonRoot = Privilege.NonRoot(s);
        if ((nonRoot.Controls.Cr0Mask & Ts) != 0)
        {
            // Owned by the host: an exit when the guest believes it set, else nothing.
            if ((nonRoot.Controls.Cr0Shadow & Ts) == 0)
            {
                return Outcome.Next;
            }

            Outcome outcome = nonRoot.Exit(i, ExitReason.ControlRegisterAccess, ControlRegisterQualification.Clts.Value);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }
        }

        s->Cr0 &= ~Ts;
        BlockMode.Update(s);
        return Outcome.Next;
    }

    private static Outcome LoadStatusWordRegister(CpuState* s, Instruction* i) =>
        LoadStatusWord(s, i, Operands.Register<ushort>(s, i->Destination), fromMemory: false, 0);

    private static Outcome LoadStatusWordMemory(CpuState* s, Instruction* i)
    {
        if (!Privilege.IsSupervisor(s))
        {
            return Faults.GeneralProtection(s);
        }

        return Operands.ReadAddress(s, i, 2, out ulong linear) && LinearMemory.Load(s, linear, out ushort value)
            ? LoadStatusWord(s, i, value, fromMemory: true, linear)
            : SlowAccess.Failure(s);
    }

    private static Outcome LoadStatusWord(CpuState* s, Instruction* i, ushort source, bool fromMemory, ulong linear)
    {
        const ulong Loaded = (ulong)(Cr0Bits.Pe | Cr0Bits.Mp | Cr0Bits.Em | Cr0Bits.Ts);
        if (!Privilege.IsSupervisor(s))
        {
            return Faults.GeneralProtection(s);
        }

        NonRoot nonRoot = Privilege.NonRoot(s);

        // LMSW cannot clear PE, so a PE of the host's exits only when it would be set.
        ulong changed = (source ^ nonRoot.Controls.Cr0Shadow) & nonRoot.Controls.Cr0Mask & Loaded;
        if ((source & (ulong)Cr0Bits.Pe) == 0)
        {
            changed &= ~(ulong)Cr0Bits.Pe;
        }

        if (changed != 0)
        {
            Outcome outcome = nonRoot.Exit(
                i, ExitReason.ControlRegisterAccess, ControlRegisterQualification.Lmsw(source, fromMemory).Value, linear: linear);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }
        }

        ulong value = (s->Cr0 & ~(Loaded & ~(ulong)Cr0Bits.Pe)) | (source & Loaded);
        return ControlRegisterWrites.WriteCr0(s, Merge(s->Cr0, value, nonRoot.Controls.Cr0Mask));
    }

    private static Outcome StoreStatusWord16(CpuState* s, Instruction* i)
    {
        if (Privilege.IsPrevented(s))
        {
            return Faults.GeneralProtection(s);
        }

        Operands.WriteRegister(s, i->Destination, (ushort)VisibleCr0(s, Privilege.NonRoot(s)));
        return Outcome.Next;
    }

    private static Outcome StoreStatusWord32(CpuState* s, Instruction* i)
    {
        if (Privilege.IsPrevented(s))
        {
            return Faults.GeneralProtection(s);
        }

        Operands.WriteRegister(s, i->Destination, (uint)VisibleCr0(s, Privilege.NonRoot(s)));
        return Outcome.Next;
    }

    private static Outcome StoreStatusWord64(CpuState* s, Instruction* i)
    {
        if (Privilege.IsPrevented(s))
        {
            return Faults.GeneralProtection(s);
        }

        Operands.WriteRegister(s, i->Destination, VisibleCr0(s, Privilege.NonRoot(s)));
        return Outcome.Next;
    }

    private static Outcome StoreStatusWordMemory(CpuState* s, Instruction* i)
    {
        if (Privilege.IsPrevented(s))
        {
            return Faults.GeneralProtection(s);
        }

        return Operands.StoreOperand(s, i, (ushort)(VisibleCr0(s, Privilege.NonRoot(s)) & MachineStatusWord))
            ? Outcome.Next
            : SlowAccess.Failure(s);
    }
}
