using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>INT n, INT3, INTO, INT1.</summary>
internal static unsafe class SoftwareInterrupts
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.Int_imm8, &Interrupt);
        table.Set(Code.Int3, &Breakpoint);
        table.Set(Code.Into, &InterruptOnOverflow);
        table.Set(Code.Int1, &DebugTrap);
    }

    private static Outcome Interrupt(CpuState* s, Instruction* i)
    {
        // SDM Vol. 3A 21.3.3: without VME extensions INT n needs IOPL 3 in virtual-8086 mode.
        if (ProcessorMode.IsVirtual8086(s) && ProcessorMode.Iopl(s) < 3)
        {
            return Faults.GeneralProtection(s);
        }

        return Deliver(s, i, (byte)i->Immediate, InterruptionType.SoftwareInterrupt);
    }

    private static Outcome Breakpoint(CpuState* s, Instruction* i) =>
        Deliver(s, i, (byte)ExceptionVector.Breakpoint, InterruptionType.SoftwareException);

    private static Outcome InterruptOnOverflow(CpuState* s, Instruction* i) => ArithmeticFlags.OverflowFlag(s)
        ? Deliver(s, i, (byte)ExceptionVector.Overflow, InterruptionType.SoftwareException)
        : Advance(s, i);

    private static Outcome DebugTrap(CpuState* s, Instruction* i) =>
        Deliver(s, i, (byte)ExceptionVector.Debug, InterruptionType.PrivilegedSoftwareException);

    private static Outcome Advance(CpuState* s, Instruction* i)
    {
        s->Rip = i->NextRip;
        return Outcome.Branch;
    }

    // A single step over the instruction itself is lost: TF is clear in the handler (SDM Vol. 3B 18.3.1.4).
    private static Outcome Deliver(CpuState* s, Instruction* i, byte vector, InterruptionType type)
    {
        s->Rip = i->Rip;
        var e = new Event(vector, type) { InstructionLength = i->Length };
        return EventDelivery.Deliver(LogicalProcessor.Of(s), e) ? Outcome.Restart : Outcome.Leave;
    }
}
