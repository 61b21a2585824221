using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software.Events;

/// <summary>What a processor does between instructions, by priority (SDM Vol. 3A table 6-2).</summary>
internal sealed unsafe class ProcessorEvents : IProcessorEvents
{
    private const byte MovSsShadow = 2;

    public bool Process(LogicalProcessor processor)
    {
        CpuState* s = processor.State;
        NonRoot nonRoot = processor.NonRoot;
        bool hasWaited = false;
        do
        {
            if (nonRoot.LeavesNow || (nonRoot.IsActive && !nonRoot.Inject()) || !DeliverDebugTrap(processor))
            {
                return false;
            }

            // What the sink injects at such an exit enters before any instruction: the next exit would clear it.
            if (nonRoot.IsActive && !(nonRoot.DeliverDueExit() && nonRoot.Inject()))
            {
                return false;
            }

            if (s->Activity != (byte)ActivityState.Active)
            {
                if (!nonRoot.IsActive)
                {
                    return false;
                }

                nonRoot.WaitForEvent();
                hasWaited = true;
            }
        }
        while (s->Activity != (byte)ActivityState.Active);
        if (hasWaited)
        {
            processor.Resume();
        }

        return DeliverInstructionBreakpoint(processor);
    }

    public bool DeliverFault(LogicalProcessor processor) => EventDelivery.Deliver(processor, EventDelivery.FromState(processor.State));

    public void InstructionCompleted(LogicalProcessor processor, uint blockMode)
    {
        CpuState* s = processor.State;
        if ((blockMode & BlockMode.Shadow) != 0)
        {
            ProcessorMode.ClearShadow(s);
            if (processor.NonRoot.AwaitsWindow || s->PendingDebugExceptions != 0)
            {
                s->EventPending = 1;
            }
        }

        if ((blockMode & BlockMode.SingleStep) != 0)
        {
            s->PendingDebugExceptions |= (ulong)PendingDebugExceptions.SingleStep;
            s->EventPending = 1;
        }

        if ((blockMode & BlockMode.Breakpoints) != 0)
        {
            EndResumeFlag(s);
        }

        if (processor.NonRoot.TrapsInstructions)
        {
            processor.NonRoot.NoteTrap();
        }
    }

    // Faults before the instruction at RIP (SDM Vol. 3B 18.3.1.1), by priority after everything that is due between instructions.
    private static bool DeliverInstructionBreakpoint(LogicalProcessor processor)
    {
        CpuState* s = processor.State;
        s->ResumeFlagEnds = (byte)((s->SystemFlags & (ulong)RflagsBits.Rf) != 0 ? 1 : 0);
        ulong causes = (s->Interruptibility & MovSsShadow) == 0 ? DebugExceptions.AtInstruction(s) : 0;
        return causes == 0 || EventDelivery.Deliver(processor, new Event((byte)ExceptionVector.Debug, InterruptionType.HardwareException)
        {
            DebugCauses = causes,
        });
    }

    // RF covers one instruction; one that set it (IRET) keeps it for the next.
    private static void EndResumeFlag(CpuState* s)
    {
        if (s->ResumeFlagEnds != 0)
        {
            s->SystemFlags &= ~(ulong)RflagsBits.Rf;
        }

        s->EventPending = 1;
    }

    // Traps of the instruction before: single step, data and I/O breakpoints. Held back in the shadow of MOV SS.
    private static bool DeliverDebugTrap(LogicalProcessor processor)
    {
        CpuState* s = processor.State;
        ulong pending = s->PendingDebugExceptions;
        if (pending == 0 || (s->Interruptibility & MovSsShadow) != 0)
        {
            return true;
        }

        s->PendingDebugExceptions = 0;
        const ulong Delivered = (ulong)(PendingDebugExceptions.EnabledBreakpoint | PendingDebugExceptions.SingleStep);
        if ((pending & Delivered) == 0)
        {
            return true;
        }

        s->Activity = (byte)ActivityState.Active;
        return EventDelivery.Deliver(processor, new Event((byte)ExceptionVector.Debug, InterruptionType.HardwareException)
        {
            DebugCauses = pending & 0xE00F,
        });
    }
}
