using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>RDTSC, RDTSCP, RDPMC.</summary>
internal static unsafe class TimeStamps
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.Rdtsc, &Read);
        table.Set(Code.Rdtscp, &ReadWithProcessor);
        table.Set(Code.Rdpmc, &ReadCounter);
    }

    /// <summary>The time-stamp counter as the guest sees it.</summary>
    public static ulong Now(CpuState* s) => LogicalProcessor.Of(s).Time.Timestamp + s->TscOffset;

    private static Outcome Read(CpuState* s, Instruction* i)
    {
        Outcome outcome = Check(s, i, ExitReason.Rdtsc);
        if (outcome == Outcome.Next)
        {
            Store(s, Now(s));
        }

        return outcome;
    }

    private static Outcome ReadWithProcessor(CpuState* s, Instruction* i)
    {
        NonRoot nonRoot = Privilege.NonRoot(s);
        if (nonRoot.IsActive && !nonRoot.Has(SecondaryProcessorBasedControls.EnableRdtscp))
        {
            return Faults.InvalidOpcode(s);
        }

        Outcome outcome = Check(s, i, ExitReason.Rdtscp);
        if (outcome == Outcome.Next)
        {
            Store(s, Now(s));
            s->Gpr.Rcx = (uint)s->TscAux;
        }

        return outcome;
    }

    // There are no performance counters: every index is out of range.
    private static Outcome ReadCounter(CpuState* s, Instruction* i)
    {
        if (s->Cpl != 0 && ProcessorMode.IsProtected(s) && (s->Cr4 & (ulong)Cr4Bits.Pce) == 0)
        {
            return Faults.GeneralProtection(s);
        }

        NonRoot nonRoot = Privilege.NonRoot(s);
        if (nonRoot.Has(PrimaryProcessorBasedControls.RdpmcExiting))
        {
            Outcome outcome = nonRoot.Exit(i, ExitReason.Rdpmc);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }
        }

        return Faults.GeneralProtection(s);
    }

    private static Outcome Check(CpuState* s, Instruction* i, ExitReason reason)
    {
        if (s->Cpl != 0 && (s->Cr4 & (ulong)Cr4Bits.Tsd) != 0)
        {
            return Faults.GeneralProtection(s);
        }

        NonRoot nonRoot = Privilege.NonRoot(s);
        return nonRoot.Has(PrimaryProcessorBasedControls.RdtscExiting) ? nonRoot.Exit(i, reason) : Outcome.Next;
    }

    private static void Store(CpuState* s, ulong value)
    {
        s->Gpr.Rax = (uint)value;
        s->Gpr.Rdx = value >> 32;
    }
}
