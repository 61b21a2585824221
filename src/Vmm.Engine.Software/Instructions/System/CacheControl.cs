using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Vmx;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>INVD, WBINVD, CLFLUSH, CLFLUSHOPT: caches are coherent, so what is left are checks and exits.</summary>
internal static unsafe class CacheControl
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.Invd, &Invalidate);
        table.Set(Code.Wbinvd, &WriteBack);
        table.Set(Code.Clflush_m8, null, &FlushLine);
        table.Set(Code.Clflushopt_m8, null, &FlushLine);
    }

    private static Outcome Invalidate(CpuState* s, Instruction* i)
    {
        if (s->Cpl != 0)
        {
            return Faults.GeneralProtection(s);
        }

        NonRoot nonRoot = Privilege.NonRoot(s);
        return nonRoot.IsActive ? nonRoot.Exit(i, ExitReason.Invd) : Outcome.Next;
    }

    private static Outcome WriteBack(CpuState* s, Instruction* i)
    {
        if (s->Cpl != 0)
        {
            return Faults.GeneralProtection(s);
        }

        NonRoot nonRoot = Privilege.NonRoot(s);
        return nonRoot.Has(SecondaryProcessorBasedControls.WbinvdExiting)
            ? nonRoot.Exit(i, ExitReason.WbinvdOrWbnoinvd)
            : Outcome.Next;
    }

    // Faults as a byte load does.
    private static Outcome FlushLine(CpuState* s, Instruction* i) =>
        Operands.LoadOperand(s, i, out byte _) ? Outcome.Next : SlowAccess.Failure(s);
}
