using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>MOV to and from debug registers (SDM Vol. 3B 18.2).</summary>
internal static unsafe class DebugRegisters
{
    private const ulong Dr6Fixed = (ulong)Dr6Bits.Fixed1;
    private const ulong Dr6Writable = 0xE00F;
    private const ulong Dr7Writable = 0xFFFF_2BFF;

    public static void Register(HandlerTable table)
    {
        table.Set(Code.Mov_r32_dr, &MoveFrom, null);
        table.Set(Code.Mov_r64_dr, &MoveFrom, null);
        table.Set(Code.Mov_dr_r32, &MoveTo, null);
        table.Set(Code.Mov_dr_r64, &MoveTo, null);
    }

    private static Outcome MoveFrom(CpuState* s, Instruction* i)
    {
        Outcome outcome = Check(s, i, i->Source, isRead: true, i->Destination, out int register);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        if ((i->Flags & InstructionFlags.Code64) != 0)
        {
            Operands.WriteRegister(s, i->Destination, s->Dr[register]);
        }
        else
        {
            Operands.WriteRegister(s, i->Destination, (uint)s->Dr[register]);
        }

        return Outcome.Next;
    }

    private static Outcome MoveTo(CpuState* s, Instruction* i)
    {
        Outcome outcome = Check(s, i, i->Destination, isRead: false, i->Source, out int register);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        ulong value = (i->Flags & InstructionFlags.Code64) != 0
            ? Operands.Register<ulong>(s, i->Source)
            : Operands.Register<uint>(s, i->Source);
        if (register >= 6 && value >> 32 != 0)
        {
            return Faults.GeneralProtection(s);
        }

        s->Dr[register] = register switch
        {
            6 => (value & Dr6Writable) | Dr6Fixed,
            7 => (value & Dr7Writable) | (ulong)Dr7Bits.Fixed1,
            _ => value,
        };
        ProcessorMode.Changed(s);
        s->EventPending = 1;
        return Outcome.Next;
    }

    private static Outcome Check(CpuState* s, Instruction* i, int number, bool isRead, ushort general, out int register)
    {
        // DR4 and DR5 are other names of DR6 and DR7 unless CR4.DE is set.
        register = number is 4 or 5 ? number + 2 : number;
        if (number > 7)
        {
            return Faults.InvalidOpcode(s);
        }

        // This exit comes before the faults of CR4.DE and of the privilege level (SDM Vol. 3C 26.1.3).
        NonRoot nonRoot = Privilege.NonRoot(s);
        if (nonRoot.Has(PrimaryProcessorBasedControls.MovDrExiting))
        {
            ulong qualification = DebugRegisterQualification.Create(number, isRead, Privilege.RegisterNumber(general)).Value;
            Outcome outcome = nonRoot.Exit(i, ExitReason.MovDr, qualification);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }
        }

        if (register != number && (s->Cr4 & (ulong)Cr4Bits.De) != 0)
        {
            return Faults.InvalidOpcode(s);
        }

        if (!Privilege.IsSupervisor(s))
        {
            return Faults.GeneralProtection(s);
        }

        if ((s->Dr[7] & (ulong)Dr7Bits.Gd) != 0)
        {
            s->FaultDebugCauses = (ulong)Dr6Bits.Bd;
            return Faults.Raise(s, ExceptionVector.Debug);
        }

        return Outcome.Next;
    }
}
