using Code = Iced.Intel.Code;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Instructions.System;

/// <summary>PUSHF, POPF, CLI, STI, STAC, CLAC with the rules of IOPL and virtual-8086 mode.</summary>
internal static unsafe class FlagRegister
{
    private const ulong Common = ArithmeticFlags.All | (ulong)(RflagsBits.Tf | RflagsBits.Df | RflagsBits.Nt);
    private const ulong Upper = (ulong)(RflagsBits.Ac | RflagsBits.Id);
    private const ulong NotPushed = (ulong)(RflagsBits.Vm | RflagsBits.Rf);

    public static void Register(HandlerTable table)
    {
        foreach (Code code in (Code[])[Code.Pushfw, Code.Pushfd, Code.Pushfq])
        {
            table.Set(code, &Push);
        }

        foreach (Code code in (Code[])[Code.Popfw, Code.Popfd, Code.Popfq])
        {
            table.Set(code, &Pop);
        }

        table.Set(Code.Cli, &DisableInterrupts);
        table.Set(Code.Sti, &EnableInterrupts);
        table.Set(Code.Stac, &AllowAccess);
        table.Set(Code.Clac, &PreventAccess);
    }

    private static bool IsVirtualWithoutIopl(CpuState* s) => ProcessorMode.IsVirtual8086(s) && ProcessorMode.Iopl(s) < 3;

    private static Outcome Push(CpuState* s, Instruction* i)
    {
        if (IsVirtualWithoutIopl(s))
        {
            return Faults.GeneralProtection(s);
        }

        StackFrame stack = StackFrame.Current(s);
        if (!stack.Push(ArithmeticFlags.ReadRflags(s) & ~NotPushed, i->OperandSize))
        {
            return SlowAccess.Failure(s);
        }

        stack.Commit();
        return Outcome.Next;
    }

    private static Outcome Pop(CpuState* s, Instruction* i)
    {
        if (IsVirtualWithoutIopl(s))
        {
            return Faults.GeneralProtection(s);
        }

        StackFrame stack = StackFrame.Current(s);
        if (!stack.Pop(i->OperandSize, out ulong flags))
        {
            return SlowAccess.Failure(s);
        }

        ulong writable = i->OperandSize == 2 ? Common : Common | Upper;
        if (s->Cpl == 0)
        {
            writable |= (ulong)RflagsBits.Iopl;
        }

        if (s->Cpl <= ProcessorMode.Iopl(s))
        {
            writable |= (ulong)RflagsBits.If;
        }

        stack.Commit();
        ulong current = ArithmeticFlags.ReadRflags(s) & ~(ulong)RflagsBits.Rf;
        ulong value = (current & ~writable) | (flags & writable);
        ArithmeticFlags.WriteRflags(s, value);
        if (((current ^ value) & (ulong)(RflagsBits.Tf | RflagsBits.Ac)) != 0)
        {
            ProcessorMode.Changed(s);
        }

        Privilege.NonRoot(s).LookForInterrupts();
        return Outcome.Next;
    }

    private static Outcome DisableInterrupts(CpuState* s, Instruction* i)
    {
        if (ProcessorMode.IsProtected(s) && ProcessorMode.Iopl(s) < s->Cpl)
        {
            return Faults.GeneralProtection(s);
        }

        s->SystemFlags &= ~(ulong)RflagsBits.If;
        return Outcome.Next;
    }

    private static Outcome EnableInterrupts(CpuState* s, Instruction* i)
    {
        if (ProcessorMode.IsProtected(s) && ProcessorMode.Iopl(s) < s->Cpl)
        {
            return Faults.GeneralProtection(s);
        }

        if ((s->SystemFlags & (ulong)RflagsBits.If) == 0)
        {
            s->SystemFlags |= (ulong)RflagsBits.If;
            s->Interruptibility |= (byte)InterruptibilityState.BlockingBySti;
            BlockMode.Update(s);
        }

        return Outcome.Next;
    }

    /// <summary>STI, and the NOP in its shadow.</summary>
    public static Outcome EnableInterruptsBehindNop(CpuState* s, Instruction* i)
    {
        if (ProcessorMode.IsProtected(s) && ProcessorMode.Iopl(s) < s->Cpl)
        {
            return Faults.GeneralProtection(s);
        }

        s->SystemFlags |= (ulong)RflagsBits.If;
        Privilege.NonRoot(s).LookForInterrupts();
        return Outcome.Next;
    }

    private static Outcome AllowAccess(CpuState* s, Instruction* i) => SetAc(s, true);

    private static Outcome PreventAccess(CpuState* s, Instruction* i) => SetAc(s, false);

    private static Outcome SetAc(CpuState* s, bool value)
    {
        if (s->Cpl != 0)
        {
            return Faults.InvalidOpcode(s);
        }

        s->SystemFlags = value ? s->SystemFlags | (ulong)RflagsBits.Ac : s->SystemFlags & ~(ulong)RflagsBits.Ac;
        LogicalProcessor.Of(s).Mmu.UpdatePrivilege();
        return Outcome.Next;
    }
}
