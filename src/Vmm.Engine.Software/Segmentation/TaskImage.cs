using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Memory;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Segmentation;

/// <summary>The state of a task as its TSS holds it (SDM Vol. 3A 8.2.1, 8.6).</summary>
internal unsafe struct TaskImage
{
    private fixed uint _general[8];
    private fixed ushort _selectors[6];
    private uint _cr3;
    private uint _rip;
    private ushort _ldt;
    private bool _wide;
    private bool _trap;

    public uint Rflags;

    /// <summary>Reads a TSS; false: an access failed.</summary>
    public static bool Read(CpuState* s, ulong address, bool wide, out TaskImage image)
    {
        image = default;
        image._wide = wide;
        return wide ? image.Read32(s, address) : image.Read16(s, address);
    }

    /// <summary>Writes the dynamic fields of the current TSS.</summary>
    public static bool Save(CpuState* s, ulong rip, uint rflags)
    {
        ulong address = s->Tr.Base;
        ulong* general = (ulong*)&s->Gpr;
        SegmentCache* segments = &s->Es;
        bool done = true;
        if (TaskStateSegment.Is32Bit(s->Tr.Type))
        {
            done = SystemAccess.Write(s, address + 32, (uint)rip) && SystemAccess.Write(s, address + 36, rflags);
            for (uint n = 0; n < 8 && done; n++)
            {
                done = SystemAccess.Write(s, address + 40 + (n * 4), (uint)general[n]);
            }

            for (uint n = 0; n < 6 && done; n++)
            {
                done = SystemAccess.Write(s, address + 72 + (n * 4), segments[n].Selector);
            }

            return done;
        }

        done = SystemAccess.Write(s, address + 14, (ushort)rip) && SystemAccess.Write(s, address + 16, (ushort)rflags);
        for (uint n = 0; n < 8 && done; n++)
        {
            done = SystemAccess.Write(s, address + 18 + (n * 2), (ushort)general[n]);
        }

        for (uint n = 0; n < 4 && done; n++)
        {
            done = SystemAccess.Write(s, address + 34 + (n * 2), segments[n].Selector);
        }

        return done;
    }

    /// <summary>
    /// Makes this the state of the processor. Faults from here on belong to the new task (8.3): its registers are loaded,
    /// segment registers that were not reached are unusable.
    /// </summary>
    public Outcome Load(CpuState* s, in TaskSwitchRequest request)
    {
        if (_wide && (s->Cr0 & (ulong)Cr0Bits.Pg) != 0)
        {
            s->Cr3 = _cr3;
            LogicalProcessor.Of(s).Mmu.LoadAddressSpace(keep: false);
        }

        ulong* general = (ulong*)&s->Gpr;
        for (int n = 0; n < 8; n++)
        {
            general[n] = _wide ? _general[n] : (general[n] & ~0xFFFFUL) | (ushort)_general[n];
        }

        s->Rip = _rip;
        // A 16-bit TSS has the lower half only: the upper one, VM with it, is clear in its task.
        ArithmeticFlags.WriteRflags(s, (_wide ? Rflags : (ushort)Rflags) & 0x3F_7FD5);
        s->Dr[7] &= ~(ulong)(Dr7Bits.L0 | Dr7Bits.L1 | Dr7Bits.L2 | Dr7Bits.L3 | Dr7Bits.Le);
        SegmentCache* segments = &s->Es;
        for (int n = 0; n < 6; n++)
        {
            segments[n] = SegmentLoad.NullSegment(_selectors[n]);
        }

        s->Ldtr = SegmentLoad.NullSegment(_ldt);
        Outcome outcome = LoadSegments(s, request.External);
        ProcessorMode.Changed(s);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        if (request.HasErrorCode)
        {
            StackFrame stack = StackFrame.Current(s);
            if (!stack.Push(request.ErrorCode, _wide ? 4 : 2))
            {
                return SlowAccess.Failure(s);
            }

            stack.Commit();
        }

        if (_trap)
        {
            return TrapDebug(s);
        }

        return s->Rip <= s->Cs.Limit ? Outcome.Branch : Faults.Raise(s, ExceptionVector.GeneralProtection, request.External);
    }

    private static Outcome TrapDebug(CpuState* s)
    {
        s->PendingDebugExceptions |= (ulong)(PendingDebugExceptions.EnabledBreakpoint) | (ulong)Dr6Bits.Bt;
        s->EventPending = 1;
        return Outcome.Branch;
    }

    private Outcome LoadSegments(CpuState* s, uint external)
    {
        if ((s->SystemFlags & (ulong)RflagsBits.Vm) != 0)
        {
            s->Cpl = 3;
            for (int n = 0; n < 6; n++)
            {
                SegmentLoad.LoadParagraph(s, (SegmentRegister)n, _selectors[n]);
            }

            return LoadLdt(s, external);
        }

        Outcome outcome = LoadLdt(s, external);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        s->Cpl = (byte)(_selectors[(int)SegmentRegister.Cs] & 3);
        outcome = LoadStackAndCode(s, external);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        ReadOnlySpan<SegmentRegister> data = [SegmentRegister.Ds, SegmentRegister.Es, SegmentRegister.Fs, SegmentRegister.Gs];
        foreach (SegmentRegister register in data)
        {
            outcome = SegmentLoad.CheckData(s, _selectors[(int)register], ExceptionVector.InvalidTss, s->Cpl, out SegmentCache cache);
            if (outcome != Outcome.Next)
            {
                return outcome;
            }

            (&s->Es)[(int)register] = cache;
        }

        return Outcome.Next;
    }

    private Outcome LoadStackAndCode(CpuState* s, uint external)
    {
        ushort selector = _selectors[(int)SegmentRegister.Cs];
        uint error = (uint)(selector & ~3) | external;
        if (DescriptorTables.IsNull(selector))
        {
            return Faults.Raise(s, ExceptionVector.InvalidTss, error);
        }

        Outcome outcome = DescriptorTables.Read(s, selector, ExceptionVector.InvalidTss, out Descriptor code, external);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        int rpl = selector & 3;
        if (!code.IsCode || (code.IsConforming ? code.Dpl > rpl : code.Dpl != rpl))
        {
            return Faults.Raise(s, ExceptionVector.InvalidTss, error);
        }

        if (!code.IsPresent)
        {
            return Faults.Raise(s, ExceptionVector.SegmentNotPresent, error);
        }

        outcome = SegmentLoad.CheckStack(s, _selectors[(int)SegmentRegister.Ss], rpl, ExceptionVector.InvalidTss, external, out SegmentCache stack);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        outcome = DescriptorTables.MarkAccessed(s, selector, ref code);
        s->Cs = code.ToSegment(selector);
        s->Ss = stack;
        return outcome;
    }

    private readonly Outcome LoadLdt(CpuState* s, uint external)
    {
        if (DescriptorTables.IsNull(_ldt))
        {
            return Outcome.Next;
        }

        uint error = (uint)(_ldt & ~3) | external;
        if ((_ldt & 4) != 0)
        {
            return Faults.Raise(s, ExceptionVector.InvalidTss, error);
        }

        Outcome outcome = DescriptorTables.Read(s, _ldt, ExceptionVector.InvalidTss, out Descriptor descriptor, external);
        if (outcome != Outcome.Next)
        {
            return outcome;
        }

        if (!descriptor.IsSystem(SystemDescriptorType.Ldt) || !descriptor.IsPresent)
        {
            return Faults.Raise(s, ExceptionVector.InvalidTss, error);
        }

        s->Ldtr = descriptor.ToSegment(_ldt);
        return Outcome.Next;
    }

    private bool Read32(CpuState* s, ulong address)
    {
        byte trap = 0;
        bool done = SystemAccess.Read(s, address + 28, out _cr3) && SystemAccess.Read(s, address + 32, out _rip)
            && SystemAccess.Read(s, address + 36, out Rflags) && SystemAccess.Read(s, address + 96, out _ldt)
            && SystemAccess.Read(s, address + 100, out trap);
        _trap = (trap & 1) != 0;
        for (int n = 0; n < 8 && done; n++)
        {
            done = SystemAccess.Read(s, address + 40 + ((uint)n * 4), out _general[n]);
        }

        for (int n = 0; n < 6 && done; n++)
        {
            done = SystemAccess.Read(s, address + 72 + ((uint)n * 4), out _selectors[n]);
        }

        return done;
    }

    private bool Read16(CpuState* s, ulong address)
    {
        bool done = SystemAccess.Read(s, address + 14, out ushort rip) & SystemAccess.Read(s, address + 16, out ushort rflags)
            & SystemAccess.Read(s, address + 42, out _ldt);
        _rip = rip;
        Rflags = rflags;
        for (int n = 0; n < 8 && done; n++)
        {
            done = SystemAccess.Read(s, address + 18 + ((uint)n * 2), out ushort register);
            _general[n] = register;
        }

        for (int n = 0; n < 4 && done; n++)
        {
            done = SystemAccess.Read(s, address + 34 + ((uint)n * 2), out _selectors[n]);
        }

        return done;
    }
}
