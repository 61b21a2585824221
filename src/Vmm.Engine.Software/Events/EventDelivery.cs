using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software.Events;

/// <summary>Delivery of exceptions and interrupts with everything that may go wrong on the way (SDM Vol. 3A 6.15, table 6-5).</summary>
internal static unsafe class EventDelivery
{
    /// <summary>
    /// Delivers an event; RIP in the state is the instruction's own, or the next one's for interrupts and traps.
    /// True: go on at RIP; false: leave the guest.
    /// </summary>
    public static bool Deliver(LogicalProcessor processor, Event e)
    {
        CpuState* s = processor.State;
        NonRoot nonRoot = processor.NonRoot;
        while (true)
        {
            if (nonRoot.IsActive && !e.IsInjected && nonRoot.Intercepts(e))
            {
                return nonRoot.ExitForException(e);
            }

            NoteCause(s, e);
            nonRoot.Vectoring = InterruptionInformation.Create(e.Type, e.Vector, e.HasErrorCode);
            nonRoot.VectoringErrorCode = e.ErrorCode;
            nonRoot.VectoringInstructionLength = e.InstructionLength;
            switch (InterruptTable.Deliver(s, e))
            {
                case Outcome.Branch:
                    nonRoot.Vectoring = default;
                    nonRoot.VectoringErrorCode = 0;
                    nonRoot.VectoringInstructionLength = 0;
                    ProcessorMode.ClearShadow(s);
                    if (nonRoot.TrapsInstructions)
                    {
                        // The MTF exit comes before the first instruction of the handler (SDM Vol. 3C 26.5.2).
                        nonRoot.NoteTrap();
                    }

                    return true;
                case Outcome.Leave:
                    return false;
                case Outcome.Fault:
                    break;
                default:
                    // An exit in the middle of delivery: its IDT-vectoring information says what was lost.
                    return true;
            }

            Event next = FromState(s);
            if (e is { Vector: (byte)ExceptionVector.DoubleFault, Type: InterruptionType.HardwareException } && Class(next) != ExceptionClass.Benign)
            {
                return TripleFault(processor);
            }

            if (!MakesDoubleFault(Class(e), Class(next)))
            {
                e = next;
                continue;
            }

            e = Event.DoubleFault;
        }
    }

    /// <summary>The exception that a handler left in the state.</summary>
    public static Event FromState(CpuState* s)
    {
        // There are no error codes in real-address mode.
        bool hasErrorCode = s->FaultHasErrorCode != 0 && ProcessorMode.IsProtected(s);
        Event e = Event.Fault(s->FaultVector, hasErrorCode, s->FaultErrorCode, s->FaultAddress) with
        {
            DebugCauses = s->FaultDebugCauses,
            UnblocksNmi = s->FaultUnblocksNmi != 0,
        };
        s->FaultDebugCauses = 0;
        s->FaultUnblocksNmi = 0;
        return e;
    }

    private static void NoteCause(CpuState* s, in Event e)
    {
        if (e.IsInjected || e.Type != InterruptionType.HardwareException)
        {
            if (e.Type == InterruptionType.Nmi)
            {
                s->Interruptibility |= (byte)InterruptibilityState.BlockingByNmi;
            }

            return;
        }

        switch ((ExceptionVector)e.Vector)
        {
            case ExceptionVector.PageFault:
                s->Cr2 = e.Address;
                break;
            case ExceptionVector.Debug:
                DebugExceptions.Record(s, e.DebugCauses);
                break;
        }
    }

    private static bool TripleFault(LogicalProcessor processor)
    {
        NonRoot nonRoot = processor.NonRoot;
        if (nonRoot.IsActive)
        {
            return nonRoot.ExitForTripleFault();
        }

        processor.State->Activity = (byte)ActivityState.Shutdown;
        return false;
    }

    private static bool MakesDoubleFault(ExceptionClass first, ExceptionClass second) => first switch
    {
        ExceptionClass.Contributory => second == ExceptionClass.Contributory,
        ExceptionClass.PageFault => second != ExceptionClass.Benign,
        _ => false,
    };

    // SDM Vol. 3A table 6-4.
    private static ExceptionClass Class(in Event e) => e.Type != InterruptionType.HardwareException
        ? ExceptionClass.Benign
        : (ExceptionVector)e.Vector switch
        {
            ExceptionVector.DivideError or ExceptionVector.InvalidTss or ExceptionVector.SegmentNotPresent
                or ExceptionVector.StackSegmentFault or ExceptionVector.GeneralProtection => ExceptionClass.Contributory,
            ExceptionVector.PageFault => ExceptionClass.PageFault,
            _ => ExceptionClass.Benign,
        };

    private enum ExceptionClass
    {
        Benign,
        Contributory,
        PageFault,
    }
}
