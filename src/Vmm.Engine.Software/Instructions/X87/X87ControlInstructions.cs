using Iced.Intel;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;
using Vmm.Vmx;
using Instruction = Vmm.Engine.Software.Decode.Instruction;

namespace Vmm.Engine.Software.Instructions.X87;

/// <summary>Instructions that work on the control and status words (SDM Vol. 1 8.3.11). They leave the pointers to the last instruction alone.</summary>
internal static unsafe class X87ControlInstructions
{
    public static void Register(HandlerTable table)
    {
        table.Set(Code.Fninit, &Initialize);
        table.Set(Code.Fnclex, &ClearExceptions);
        table.Set(Code.Fnstsw_AX, &StoreStatusInAx, null);
        table.Set(Code.Fnstsw_m2byte, null, &StoreStatus);
        table.Set(Code.Fnstcw_m2byte, null, &StoreControl);
        table.Set(Code.Fldcw_m2byte, null, &LoadControl);
        table.Set(Code.Wait, &Wait);
        table.Set(Code.Fnop, &NoOperation);
        table.Set(Code.Fneni, &DoNothing);
        table.Set(Code.Fndisi, &DoNothing);
        table.Set(Code.Fnsetpm, &DoNothing);
        table.Set(Code.Fincstp, &IncrementTop);
        table.Set(Code.Fdecstp, &DecrementTop);
        table.Set(Code.Ffree_sti, &FreeRegister, null);
        table.Set(Code.Ffreep_sti, &FreeRegisterAndPop, null);
    }

    private static Outcome Initialize(CpuState* s, Instruction* i)
    {
        X87Control.Initialize(s);
        return Outcome.Next;
    }

    private static Outcome ClearExceptions(CpuState* s, Instruction* i)
    {
        s->FpuStatus &= X87Control.Conditions;
        return Outcome.Next;
    }

    private static Outcome StoreStatusInAx(CpuState* s, Instruction* i)
    {
        Operands.Register<ushort>(s, i->Destination) = X87Control.Status(s);
        return Outcome.Next;
    }

    private static Outcome StoreStatus(CpuState* s, Instruction* i) =>
        Operands.StoreOperand(s, i, X87Control.Status(s)) ? Outcome.Next : SlowAccess.Failure(s);

    private static Outcome StoreControl(CpuState* s, Instruction* i) =>
        Operands.StoreOperand(s, i, s->FpuControl) ? Outcome.Next : SlowAccess.Failure(s);

    private static Outcome LoadControl(CpuState* s, Instruction* i)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        if (!Operands.LoadOperand(s, i, out ushort control))
        {
            return SlowAccess.Failure(s);
        }

        X87Control.SetControl(s, control);
        return Outcome.Next;
    }

    private static Outcome Wait(CpuState* s, Instruction* i) => X87Exceptions.IsPending(s) ? X87Exceptions.Deliver(s) : Outcome.Next;

    // It counts as the last instruction all the same (SDM Vol. 2A "FNOP").
    private static Outcome NoOperation(CpuState* s, Instruction* i)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        s->FpuLastInstruction = i->Rip;
        return Outcome.Next;
    }

    // Coprocessor instructions of the 8087 and 80287 that later processors accept and ignore (SDM Vol. 1 8.3.11).
    private static Outcome DoNothing(CpuState* s, Instruction* i) => Outcome.Next;

    private static Outcome IncrementTop(CpuState* s, Instruction* i) => Rotate(s, i, 1);

    private static Outcome DecrementTop(CpuState* s, Instruction* i) => Rotate(s, i, -1);

    private static Outcome Rotate(CpuState* s, Instruction* i, int by)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        X87Exceptions.Begin(s, i);
        X87Registers.MoveTop(s, by);
        return Outcome.Next;
    }

    private static Outcome FreeRegister(CpuState* s, Instruction* i)
    {
        if (X87Exceptions.IsPending(s))
        {
            return X87Exceptions.Deliver(s);
        }

        X87Exceptions.Begin(s, i);
        X87Registers.Free(s, i->Destination);
        return Outcome.Next;
    }

    // Undocumented, and used by old compilers.
    private static Outcome FreeRegisterAndPop(CpuState* s, Instruction* i)
    {
        Outcome outcome = FreeRegister(s, i);
        if (outcome == Outcome.Next)
        {
            X87Registers.Pop(s);
        }

        return outcome;
    }
}
