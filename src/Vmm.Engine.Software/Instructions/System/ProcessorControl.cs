using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>HLT, PAUSE, CPUID, XGETBV, XSETBV. MONITOR and MWAIT are not announced and stay undefined.</summary>
internal static unsafe class ProcessorControl
{
    // XCR0 bits (SDM Vol. 3A 2.6): x87 is always on, AVX needs SSE.
    private const ulong X87 = 1;
    private const ulong Sse = 2;
    private const ulong Avx = 4;

    public static void Register(HandlerTable table)
    {
        table.Set(Code.Hlt, &Halt);
        table.Set(Code.Pause, &Pause);
        table.Set(Code.Cpuid, &Identify);
        table.Set(Code.Xgetbv, &GetExtendedControl);
        table.Set(Code.Xsetbv, &SetExtendedControl);
    }

    private static Outcome Halt(CpuState* s, Instruction* i)
    {
        if (s->Cpl != 0)
        {
            return Faults.GeneralProtection(s);
        }

        NonRoot nonRoot = Privilege.NonRoot(s);
        if (nonRoot.Has(PrimaryProcessorBasedControls.HltExiting))
        {
            Outcome outcome = nonRoot.Exit(i, ExitReason.Hlt);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }
        }

        s->Rip = i->NextRip;
        s->Activity = (byte)ActivityState.Hlt;
        s->EventPending = 1;
        return Outcome.Branch;
    }

    private static Outcome Pause(CpuState* s, Instruction* i)
    {
        NonRoot nonRoot = Privilege.NonRoot(s);
        return nonRoot.Has(PrimaryProcessorBasedControls.PauseExiting) ? nonRoot.Exit(i, ExitReason.Pause) : Outcome.Next;
    }

    private static Outcome Identify(CpuState* s, Instruction* i)
    {
        NonRoot nonRoot = Privilege.NonRoot(s);
        if (nonRoot.IsActive)
        {
            Outcome outcome = nonRoot.Exit(i, ExitReason.Cpuid);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }
        }

        CpuidResult result = CpuidModel.Query(s, (uint)s->Gpr.Rax, (uint)s->Gpr.Rcx);
        s->Gpr.Rax = result.Eax;
        s->Gpr.Rbx = result.Ebx;
        s->Gpr.Rcx = result.Ecx;
        s->Gpr.Rdx = result.Edx;
        return Outcome.Next;
    }

    private static Outcome GetExtendedControl(CpuState* s, Instruction* i)
    {
        if ((s->Cr4 & (ulong)Cr4Bits.Osxsave) == 0)
        {
            return Faults.InvalidOpcode(s);
        }

        if ((uint)s->Gpr.Rcx != 0)
        {
            return Faults.GeneralProtection(s);
        }

        s->Gpr.Rax = (uint)s->Xcr0;
        s->Gpr.Rdx = s->Xcr0 >> 32;
        return Outcome.Next;
    }

    private static Outcome SetExtendedControl(CpuState* s, Instruction* i)
    {
        if ((s->Cr4 & (ulong)Cr4Bits.Osxsave) == 0)
        {
            return Faults.InvalidOpcode(s);
        }

        if (s->Cpl != 0)
        {
            return Faults.GeneralProtection(s);
        }

        NonRoot nonRoot = Privilege.NonRoot(s);
        if (nonRoot.IsActive)
        {
            Outcome outcome = nonRoot.Exit(i, ExitReason.Xsetbv);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }
        }

        ulong value = (uint)s->Gpr.Rax | s->Gpr.Rdx << 32;
        if ((uint)s->Gpr.Rcx != 0 || (value & ~(X87 | Sse | Avx)) != 0 || (value & X87) == 0 || (value & (Sse | Avx)) == Avx)
        {
            return Faults.GeneralProtection(s);
        }

        s->Xcr0 = value;
        BlockMode.Update(s);
        return Outcome.Next;
    }
}
