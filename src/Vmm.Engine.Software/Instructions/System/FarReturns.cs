using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>RET far and IRET.</summary>
internal static unsafe class FarReturns
{
    public static void Register(HandlerTable table)
    {
        foreach (Code code in (Code[])[Code.Retfw, Code.Retfd, Code.Retfq, Code.Retfw_imm16, Code.Retfd_imm16, Code.Retfq_imm16])
        {
            table.Set(code, &ReturnFar);
        }

        table.Set(Code.Iretw, &ReturnFromInterrupt);
        table.Set(Code.Iretd, &ReturnFromInterrupt);
        table.Set(Code.Iretq, &ReturnFromInterrupt);
    }

    private static Outcome ReturnFar(CpuState* s, Instruction* i)
    {
        int release = (ushort)i->Immediate;
        return ProcessorMode.UsesParagraphs(s)
            ? FarReturn.ToParagraph(s, i->OperandSize, release)
            : FarReturn.ToSegment(s, i->OperandSize, release);
    }

    private static Outcome ReturnFromInterrupt(CpuState* s, Instruction* i)
    {
        Outcome outcome = InterruptReturn.Perform(s, i);
        if (outcome is not (Outcome.Branch or Outcome.Fault))
        {
            return outcome;
        }

        // SDM Vol. 3C 26.3: IRET ends blocking by NMI (virtual NMIs too) unless NMIs exit and are not virtual; one that
        // faults has done so (28.2.2).
        PinBasedControls pin = Privilege.NonRoot(s).Controls.Pin;
        bool unblocks = (s->Interruptibility & (byte)InterruptibilityState.BlockingByNmi) != 0
            && (pin & (PinBasedControls.NmiExiting | PinBasedControls.VirtualNmis)) != PinBasedControls.NmiExiting;
        if (unblocks)
        {
            s->Interruptibility &= unchecked((byte)~InterruptibilityState.BlockingByNmi);
            s->FaultUnblocksNmi = (byte)(outcome == Outcome.Fault ? 1 : 0);
        }

        s->EventPending = 1;
        return outcome;
    }
}
