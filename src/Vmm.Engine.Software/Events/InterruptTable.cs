using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Events;

/// <summary>
/// One step from an event to its handler through the interrupt table of the current mode (SDM Vol. 3A 6.12, 6.14, 21.1.4,
/// INT instruction page). <see cref="Outcome.Branch"/>: RIP is the handler's; else nothing but memory has changed.
/// </summary>
internal static unsafe class InterruptTable
{
    /// <summary>IDT bit of an error code.</summary>
    private const uint FromIdt = 2;

    private const ulong ClearedFlags = (ulong)(RflagsBits.Tf | RflagsBits.Nt | RflagsBits.Rf | RflagsBits.Vm);

    public static Outcome Deliver(CpuState* s, in Event e)
    {
        if (!ProcessorMode.IsProtected(s))
        {
            return DeliverReal(s, e);
        }

        return ProcessorMode.IsLong(s) ? DeliverLong(s, e) : DeliverProtected(s, e);
    }

    private static Outcome DeliverReal(CpuState* s, in Event e)
    {
        ulong address = (uint)e.Vector * 4;
        if (address + 3 > s->IdtrLimit)
        {
            return Faults.Raise(s, ExceptionVector.GeneralProtection);
        }

        if (!SystemAccess.Read(s, s->IdtrBase + address, out uint entry))
        {
            return SlowAccess.Failure(s);
        }

        StackFrame stack = StackFrame.Current(s);
        if (!stack.Push(Rflags(s, e), 2) || !stack.Push(s->Cs.Selector, 2) || !stack.Push(ReturnAddress(s, e), 2))
        {
            return SlowAccess.Failure(s);
        }

        stack.Commit();
        s->Cs.Selector = (ushort)(entry >> 16);
        s->Cs.Base = entry >> 16 << 4;
        s->Rip = (ushort)entry;
        s->SystemFlags &= ~(ulong)(RflagsBits.If | RflagsBits.Tf | RflagsBits.Ac | RflagsBits.Rf);
        ProcessorMode.Changed(s);
        return Outcome.Branch;
    }

    private static Outcome DeliverProtected(CpuState* s, in Event e)
    {
        uint idtError = IdtError(e);
        ulong offset = (uint)e.Vector * 8;
        if (offset + 7 > s->IdtrLimit)
        {
            return Faults.Raise(s, ExceptionVector.GeneralProtection, idtError);
        }

        Outcome outcome = DescriptorTables.ReadAt(s, s->IdtrBase + offset, out Descriptor gate);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        if (gate.IsCodeOrData || gate.Type is not (SystemDescriptorType.TaskGate or SystemDescriptorType.InterruptGate16
                or SystemDescriptorType.TrapGate16 or SystemDescriptorType.InterruptGate or SystemDescriptorType.TrapGate)
            || (e.IsSoftware && gate.Dpl < s->Cpl))
        {
            return Faults.Raise(s, ExceptionVector.GeneralProtection, idtError);
        }

        if (!gate.IsPresent)
        {
            return Faults.Raise(s, ExceptionVector.SegmentNotPresent, idtError);
        }

        if (gate.Type == SystemDescriptorType.TaskGate)
        {
            return TaskGate(s, e, gate);
        }

        outcome = ReadTarget(s, e, gate.GateSelector, out Descriptor code);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        int size = gate.Type >= SystemDescriptorType.InterruptGate ? 4 : 2;
        return !code.IsConforming && code.Dpl < s->Cpl
            ? EnterInner(s, e, gate, code, size)
            : EnterSame(s, e, gate, code, size);
    }

    private static Outcome TaskGate(CpuState* s, in Event e, Descriptor gate)
    {
        TaskSwitchRequest request = new(gate.GateSelector, TaskSwitchSource.TaskGateInIdt)
        {
            ReturnAddress = ReturnAddress(s, e),
            External = e.External,
            HasErrorCode = e.HasErrorCode,
            ErrorCode = e.ErrorCode,
        };
        return TaskSwitch.Perform(s, request);
    }

    /// <summary>The code segment that a gate names, with all checks but that of the offset.</summary>
    private static Outcome ReadTarget(CpuState* s, in Event e, ushort selector, out Descriptor code)
    {
        code = default;
        if (DescriptorTables.IsNull(selector))
        {
            return Faults.Raise(s, ExceptionVector.GeneralProtection, e.External);
        }

        Outcome outcome = DescriptorTables.Read(s, selector, ExceptionVector.GeneralProtection, out code, e.External);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        uint error = (uint)(selector & ~3) | e.External;
        bool wrongSize = ProcessorMode.IsLong(s) && (!code.IsLong || code.IsBig);
        bool wrongVirtual = ProcessorMode.IsVirtual8086(s) && (code.IsConforming || code.Dpl != 0);
        if (!code.IsCode || code.Dpl > s->Cpl || wrongSize || wrongVirtual)
        {
            return Faults.Raise(s, ExceptionVector.GeneralProtection, error);
        }

        return code.IsPresent ? Outcome.Next : Faults.Raise(s, ExceptionVector.SegmentNotPresent, error);
    }

    private static Outcome EnterInner(CpuState* s, in Event e, Descriptor gate, Descriptor code, int size)
    {
        int cpl = code.Dpl;
        Outcome outcome = TaskStateSegment.ReadStack(s, cpl, e.External, out ushort selector, out uint pointer);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        outcome = SegmentLoad.CheckStack(s, selector, cpl, ExceptionVector.InvalidTss, e.External, out SegmentCache segment);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        bool fromVirtual = ProcessorMode.IsVirtual8086(s);
        var stack = new StackFrame(s, segment, pointer, false, cpl, (uint)(selector & ~3) | e.External);
        if (fromVirtual && !(stack.Push(s->Gs.Selector, size) && stack.Push(s->Fs.Selector, size)
                && stack.Push(s->Ds.Selector, size) && stack.Push(s->Es.Selector, size)))
        {
            return SlowAccess.Failure(s);
        }

        if (!stack.Push(s->Ss.Selector, size) || !stack.Push(s->Gpr.Rsp, size))
        {
            return SlowAccess.Failure(s);
        }

        outcome = PushAndCheck(s, e, gate, ref code, ref stack, size);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        s->Gpr.Rsp = stack.Pointer;
        s->Ss = segment;
        if (fromVirtual)
        {
            s->Es = s->Ds = s->Fs = s->Gs = SegmentLoad.NullSegment(0);
        }

        return Enter(s, gate, code, cpl);
    }

    private static Outcome EnterSame(CpuState* s, in Event e, Descriptor gate, Descriptor code, int size)
    {
        var stack = new StackFrame(s, s->Ss, s->Gpr.Rsp, false, s->Cpl, e.External);
        Outcome outcome = PushAndCheck(s, e, gate, ref code, ref stack, size);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        stack.Commit();
        return Enter(s, gate, code, s->Cpl);
    }

    private static Outcome PushAndCheck(CpuState* s, in Event e, Descriptor gate, ref Descriptor code, ref StackFrame stack, int size)
    {
        if (Offset(gate, size) > code.Limit)
        {
            return Faults.Raise(s, ExceptionVector.GeneralProtection, e.External);
        }

        if (!stack.Push(Rflags(s, e), size) || !stack.Push(s->Cs.Selector, size) || !stack.Push(ReturnAddress(s, e), size)
            || (e.HasErrorCode && !stack.Push(e.ErrorCode, size)))
        {
            return SlowAccess.Failure(s);
        }

        return DescriptorTables.MarkAccessed(s, gate.GateSelector, ref code);
    }

    private static Outcome Enter(CpuState* s, Descriptor gate, Descriptor code, int cpl)
    {
        int size = gate.Type >= SystemDescriptorType.InterruptGate ? 4 : 2;
        s->Rip = Offset(gate, size);
        EnterCode(s, gate, code, cpl);
        return Outcome.Branch;
    }

    private static void EnterCode(CpuState* s, Descriptor gate, Descriptor code, int cpl)
    {
        s->Cs = code.ToSegment((ushort)((gate.GateSelector & ~3) | cpl));
        s->Cpl = (byte)cpl;
        s->SystemFlags &= ~ClearedFlags;
        if (gate.Type is SystemDescriptorType.InterruptGate or SystemDescriptorType.InterruptGate16)
        {
            s->SystemFlags &= ~(ulong)RflagsBits.If;
        }

        ProcessorMode.Changed(s);
    }

    // SDM Vol. 3A 6.14.
    private static Outcome DeliverLong(CpuState* s, in Event e)
    {
        uint idtError = IdtError(e);
        ulong offset = (uint)e.Vector * 16;
        if (offset + 15 > s->IdtrLimit)
        {
            return Faults.Raise(s, ExceptionVector.GeneralProtection, idtError);
        }

        Outcome outcome = DescriptorTables.ReadAt(s, s->IdtrBase + offset, out Descriptor gate);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        outcome = DescriptorTables.ReadAt(s, s->IdtrBase + offset + 8, out Descriptor upper);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        if (gate.IsCodeOrData || gate.Type is not (SystemDescriptorType.InterruptGate or SystemDescriptorType.TrapGate)
            || (e.IsSoftware && gate.Dpl < s->Cpl))
        {
            return Faults.Raise(s, ExceptionVector.GeneralProtection, idtError);
        }

        if (!gate.IsPresent)
        {
            return Faults.Raise(s, ExceptionVector.SegmentNotPresent, idtError);
        }

        outcome = ReadTarget(s, e, gate.GateSelector, out Descriptor code);
        return outcome == Outcome.Next ? EnterLong(s, e, gate, code, gate.GateOffset | upper.Value << 32) : outcome;
    }

    private static Outcome EnterLong(CpuState* s, in Event e, Descriptor gate, Descriptor code, ulong handler)
    {
        int cpl = code.IsConforming ? s->Cpl : code.Dpl;
        bool inner = cpl < s->Cpl;
        ulong pointer = s->Gpr.Rsp;
        if (inner || gate.GateStackTable != 0)
        {
            Outcome found = TaskStateSegment.ReadLongStack(s, cpl, gate.GateStackTable, e.External, out pointer);
            if (found != Outcome.Next)
            {
                return found;
            }
        }

        var stack = new StackFrame(s, s->Ss, pointer & ~15UL, true, cpl, e.External);
        if (!stack.Push(s->Ss.Selector, 8) || !stack.Push(s->Gpr.Rsp, 8) || !stack.Push(Rflags(s, e), 8)
            || !stack.Push(s->Cs.Selector, 8) || !stack.Push(ReturnAddress(s, e), 8)
            || (e.HasErrorCode && !stack.Push(e.ErrorCode, 8)))
        {
            return SlowAccess.Failure(s);
        }

        if (!ProcessorMode.IsCanonical(handler))
        {
            return Faults.Raise(s, ExceptionVector.GeneralProtection, e.External);
        }

        Outcome outcome = DescriptorTables.MarkAccessed(s, gate.GateSelector, ref code);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        stack.Commit();
        if (inner)
        {
            s->Ss = SegmentLoad.NullSegment((ushort)cpl);
            s->Ss.AccessRights |= (uint)cpl << 5;
        }

        s->Rip = handler;
        EnterCode(s, gate, code, cpl);
        return Outcome.Branch;
    }

    private static uint IdtError(in Event e) => ((uint)e.Vector << 3) | FromIdt | e.External;

    private static ulong Offset(Descriptor gate, int size) => size == 4 ? gate.GateOffset : gate.GateOffset & 0xFFFF;

    private static ulong ReturnAddress(CpuState* s, in Event e) => e.ReturnsBehind ? s->Rip + e.InstructionLength : s->Rip;

    private static ulong Rflags(CpuState* s, in Event e) =>
        ArithmeticFlags.ReadRflags(s) | (e.SetsResumeFlag ? (ulong)RflagsBits.Rf : 0);
}
