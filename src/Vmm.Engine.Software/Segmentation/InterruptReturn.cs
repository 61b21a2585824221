using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Segmentation;

/// <summary>IRET in all modes (IRET page; SDM Vol. 3A 6.14.3, 8.4, 21.2.3).</summary>
internal static unsafe class InterruptReturn
{
    private const ulong Iopl = (ulong)RflagsBits.Iopl;
    private const ulong If = (ulong)RflagsBits.If;
    private const ulong Vm = (ulong)RflagsBits.Vm;

    /// <summary>Flags that IRET restores at any privilege level.</summary>
    private const ulong Common = ArithmeticFlags.All | (ulong)(RflagsBits.Tf | RflagsBits.Df | RflagsBits.Nt);

    private const ulong Upper = (ulong)(RflagsBits.Rf | RflagsBits.Ac | RflagsBits.Id);

    public static Outcome Perform(CpuState* s, Instruction* i)
    {
        if (!ProcessorMode.IsProtected(s))
        {
            return Return16(s, i->OperandSize, Common | Iopl | If);
        }

        if (ProcessorMode.IsVirtual8086(s))
        {
            return ProcessorMode.Iopl(s) < 3 ? Faults.GeneralProtection(s) : Return16(s, i->OperandSize, Common | If);
        }

        if ((s->SystemFlags & (ulong)RflagsBits.Nt) != 0)
        {
            return ProcessorMode.IsLong(s) ? Faults.GeneralProtection(s) : ReturnToTask(s, i);
        }

        return ReturnProtected(s, i->OperandSize);
    }

    private static Outcome Return16(CpuState* s, int size, ulong writable)
    {
        StackFrame stack = StackFrame.Current(s);
        if (!stack.Pop(size, out ulong rip) || !stack.Pop(size, out ulong selector) || !stack.Pop(size, out ulong flags))
        {
            return SlowAccess.Failure(s);
        }

        if (rip > s->Cs.Limit)
        {
            return Faults.GeneralProtection(s);
        }

        stack.Commit();
        SegmentLoad.LoadParagraph(s, SegmentRegister.Cs, (ushort)selector);
        s->Rip = rip;
        SetFlags(s, flags, size == 2 ? writable : writable | Upper);
        ProcessorMode.Changed(s);
        return Outcome.Branch;
    }

    private static Outcome ReturnToTask(CpuState* s, Instruction* i)
    {
        if (!SystemAccess.Read(s, s->Tr.Base, out ushort link))
        {
            return SlowAccess.Failure(s);
        }

        return TaskSwitch.Perform(s, new TaskSwitchRequest(link, TaskSwitchSource.Iret) { ReturnAddress = i->NextRip });
    }

    private static Outcome ReturnProtected(CpuState* s, int size)
    {
        StackFrame stack = StackFrame.Current(s);
        if (!stack.Pop(size, out ulong rip) || !stack.Pop(size, out ulong popped) || !stack.Pop(size, out ulong flags))
        {
            return SlowAccess.Failure(s);
        }

        ushort selector = (ushort)popped;
        if (size == 4 && (flags & Vm) != 0 && s->Cpl == 0 && !ProcessorMode.IsLong(s))
        {
            return ReturnToVirtual8086(s, rip, selector, flags, stack);
        }

        Outcome outcome = FarReturn.CheckTarget(s, selector, rip, out Descriptor code);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        ulong writable = Writable(s, size);
        bool always = ProcessorMode.Is64Bit(s);
        if ((selector & 3) == s->Cpl && !always)
        {
            stack.Commit();
            CodeSegment.Load(s, selector, code, s->Cpl, rip);
        }
        else
        {
            // 64-bit mode pops SS and RSP always.
            if (!stack.Pop(size, out ulong pointer) || !stack.Pop(size, out ulong stackSelector))
            {
                return SlowAccess.Failure(s);
            }

            outcome = FarReturn.CheckOuterStack(s, (ushort)stackSelector, selector & 3, code.IsLong, out SegmentCache segment);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }

            FarReturn.LoadOuter(s, selector, code, rip, segment, pointer, size);
        }

        SetFlags(s, flags, writable);
        ProcessorMode.Changed(s);
        return Outcome.Branch;
    }

    private static Outcome ReturnToVirtual8086(CpuState* s, ulong rip, ushort code, ulong flags, StackFrame stack)
    {
        if (!stack.Pop(4, out ulong pointer) || !stack.Pop(4, out ulong ss) || !stack.Pop(4, out ulong es)
            || !stack.Pop(4, out ulong ds) || !stack.Pop(4, out ulong fs) || !stack.Pop(4, out ulong gs))
        {
            return SlowAccess.Failure(s);
        }

        if (rip > 0xFFFF)
        {
            return Faults.GeneralProtection(s);
        }

        SetFlags(s, flags, Common | Upper | Iopl | If | Vm);
        SegmentLoad.LoadParagraph(s, SegmentRegister.Cs, code);
        SegmentLoad.LoadParagraph(s, SegmentRegister.Ss, (ushort)ss);
        SegmentLoad.LoadParagraph(s, SegmentRegister.Es, (ushort)es);
        SegmentLoad.LoadParagraph(s, SegmentRegister.Ds, (ushort)ds);
        SegmentLoad.LoadParagraph(s, SegmentRegister.Fs, (ushort)fs);
        SegmentLoad.LoadParagraph(s, SegmentRegister.Gs, (ushort)gs);
        s->Gpr.Rsp = pointer;
        s->Rip = (ushort)rip;
        s->Cpl = 3;
        ProcessorMode.Changed(s);
        return Outcome.Branch;
    }

    // By the privilege before the return.
    private static ulong Writable(CpuState* s, int size)
    {
        ulong writable = Common | (size == 2 ? 0 : Upper);
        if (s->Cpl == 0)
        {
            writable |= Iopl;
        }

        return s->Cpl <= ProcessorMode.Iopl(s) ? writable | If : writable;
    }

    private static void SetFlags(CpuState* s, ulong flags, ulong writable)
    {
        ulong current = ArithmeticFlags.ReadRflags(s);

        // RF matters to instruction breakpoints only; without any it would never be cleared.
        if ((s->Dr[7] & 0xFF) == 0)
        {
            flags &= ~(ulong)RflagsBits.Rf;
        }

        ArithmeticFlags.WriteRflags(s, (current & ~writable) | (flags & writable));
    }
}
