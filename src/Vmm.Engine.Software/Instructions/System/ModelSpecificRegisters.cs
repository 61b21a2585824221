using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>RDMSR and WRMSR.</summary>
internal static unsafe class ModelSpecificRegisters
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.Rdmsr, &Read);
        table.Set(Code.Wrmsr, &Write);
    }

    private static Outcome Read(CpuState* s, Instruction* i)
    {
        if (s->Cpl != 0)
        {
            return Faults.GeneralProtection(s);
        }

        uint index = (uint)s->Gpr.Rcx;
        NonRoot nonRoot = Privilege.NonRoot(s);
        if (nonRoot.IsActive && nonRoot.Controls.InterceptsMsr(index, write: false))
        {
            Outcome outcome = nonRoot.Exit(i, ExitReason.Rdmsr);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }
        }

        if (!MsrFile.TryRead(s, index, out ulong value))
        {
            return Faults.GeneralProtection(s);
        }

        s->Gpr.Rax = (uint)value;
        s->Gpr.Rdx = value >> 32;
        return Outcome.Next;
    }

    private static Outcome Write(CpuState* s, Instruction* i)
    {
        if (s->Cpl != 0)
        {
            return Faults.GeneralProtection(s);
        }

        uint index = (uint)s->Gpr.Rcx;
        NonRoot nonRoot = Privilege.NonRoot(s);
        if (nonRoot.IsActive && nonRoot.Controls.InterceptsMsr(index, write: true))
        {
            Outcome outcome = nonRoot.Exit(i, ExitReason.Wrmsr);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }
        }

        return MsrFile.Write(s, index, (uint)s->Gpr.Rax | s->Gpr.Rdx << 32);
    }
}
