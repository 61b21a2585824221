using System.Runtime.InteropServices;

namespace Vmm.Kernel;

/// <summary><see cref="ProcessorState"/> as numbered fields.</summary>
internal static class ProcessorStateStream
{
    private const int LongestXsaveArea = 64 << 10;

    public static void Write(IStateWriter to, ProcessorState state)
    {
        ReadOnlySpan<ulong> general = MemoryMarshal.Cast<GuestRegisters, ulong>(new ReadOnlySpan<GuestRegisters>(ref state.Registers));
        for (int n = 0; n < general.Length; n++)
        {
            to.UInt64((int)ProcessorField.Rax + n, general[n]);
        }

        Write(to, ProcessorField.Rip, state.Rip);
        Write(to, ProcessorField.Rflags, state.Rflags);
        Write(to, ProcessorField.Cr0, state.Cr0);
        Write(to, ProcessorField.Cr2, state.Cr2);
        Write(to, ProcessorField.Cr3, state.Cr3);
        Write(to, ProcessorField.Cr4, state.Cr4);
        Write(to, ProcessorField.Cr8, state.Cr8);
        Write(to, ProcessorField.Xcr0, state.Xcr0);
        foreach ((ProcessorField field, int number) in DebugRegisters)
        {
            Write(to, field, state.DebugRegisters[number]);
        }

        for (int n = 0; n < state.Segments.Length; n++)
        {
            WriteSegment(to, ProcessorField.Es + n, state.Segments[n]);
        }

        WriteSegment(to, ProcessorField.Gdtr, new SegmentState(0, state.Gdtr.Base, state.Gdtr.Limit, 0));
        WriteSegment(to, ProcessorField.Idtr, new SegmentState(0, state.Idtr.Base, state.Idtr.Limit, 0));
        to.Section((int)ProcessorField.Msrs, section => WriteMsrs(section, state.Msrs));
        to.Bytes((int)ProcessorField.XsaveArea, state.XsaveArea);
        Write(to, ProcessorField.Interruptibility, state.Interruptibility);
        Write(to, ProcessorField.Activity, state.Activity);
        Write(to, ProcessorField.PendingDebugExceptions, state.PendingDebugExceptions);
        Write(to, ProcessorField.PendingEvent, state.PendingEvent);
        Write(to, ProcessorField.PendingEventErrorCode, state.PendingEventErrorCode);
        Write(to, ProcessorField.PendingEventInstructionLength, state.PendingEventInstructionLength);
        if (state.PageDirectoryPointers is { } pointers)
        {
            to.Bytes((int)ProcessorField.PageDirectoryPointers, MemoryMarshal.AsBytes(pointers.AsSpan()));
        }

        to.UInt8((int)ProcessorField.NmiPending, (byte)(state.NmiPending ? 1 : 0));
        to.UInt8((int)ProcessorField.InitPending, (byte)(state.InitPending ? 1 : 0));
        if (state.StartupVector is { } vector)
        {
            to.UInt8((int)ProcessorField.StartupVector, vector);
        }

        Write(to, ProcessorField.TimestampOffset, state.TimestampOffset);
        Write(to, ProcessorField.TimestampFrequency, state.TimestampFrequency);
        if (state.LocalApic is { } apic)
        {
            to.Section((int)ProcessorField.LocalApic, section => WriteApic(section, apic));
        }
    }

    public static ProcessorState Read(StateReader from)
    {
        ProcessorState state = new();
        Span<ulong> general = MemoryMarshal.Cast<GuestRegisters, ulong>(new Span<GuestRegisters>(ref state.Registers));
        for (int n = 0; n < general.Length; n++)
        {
            general[n] = from.UInt64((int)ProcessorField.Rax + n);
        }

        state.Rip = Read(from, ProcessorField.Rip);
        state.Rflags = Read(from, ProcessorField.Rflags);
        state.Cr0 = Read(from, ProcessorField.Cr0);
        state.Cr2 = Read(from, ProcessorField.Cr2);
        state.Cr3 = Read(from, ProcessorField.Cr3);
        state.Cr4 = Read(from, ProcessorField.Cr4);
        state.Cr8 = Read(from, ProcessorField.Cr8);
        state.Xcr0 = Read(from, ProcessorField.Xcr0);
        foreach ((ProcessorField field, int number) in DebugRegisters)
        {
            state.DebugRegisters[number] = Read(from, field);
        }

        for (int n = 0; n < state.Segments.Length; n++)
        {
            state.Segments[n] = ReadSegment(from, ProcessorField.Es + n);
        }

        SegmentState gdtr = ReadSegment(from, ProcessorField.Gdtr), idtr = ReadSegment(from, ProcessorField.Idtr);
        state.Gdtr = new DescriptorTableState(gdtr.Base, (ushort)gdtr.Limit);
        state.Idtr = new DescriptorTableState(idtr.Base, (ushort)idtr.Limit);
        ReadMsrs(from.Section((int)ProcessorField.Msrs) ?? throw Missing(ProcessorField.Msrs), state.Msrs);
        state.XsaveArea = from.Bytes((int)ProcessorField.XsaveArea, LongestXsaveArea).ToArray();
        state.Interruptibility = (uint)Read(from, ProcessorField.Interruptibility);
        state.Activity = (uint)Read(from, ProcessorField.Activity);
        state.PendingDebugExceptions = Read(from, ProcessorField.PendingDebugExceptions);
        state.PendingEvent = (uint)Read(from, ProcessorField.PendingEvent);
        state.PendingEventErrorCode = (uint)Read(from, ProcessorField.PendingEventErrorCode);
        state.PendingEventInstructionLength = (uint)Read(from, ProcessorField.PendingEventInstructionLength);
        var pointers = new ulong[4];
        state.PageDirectoryPointers = from.Bytes((int)ProcessorField.PageDirectoryPointers, MemoryMarshal.AsBytes(pointers.AsSpan())) ? pointers : null;
        state.NmiPending = from.UInt8((int)ProcessorField.NmiPending) != 0;
        state.InitPending = from.UInt8((int)ProcessorField.InitPending) != 0;
        state.StartupVector = from.Fields.Any(field => field.Number == (int)ProcessorField.StartupVector) ? from.UInt8((int)ProcessorField.StartupVector) : null;
        state.TimestampOffset = Read(from, ProcessorField.TimestampOffset);
        state.TimestampFrequency = Read(from, ProcessorField.TimestampFrequency);
        state.LocalApic = ReadApic(from.Section((int)ProcessorField.LocalApic) ?? throw Missing(ProcessorField.LocalApic));
        return state;
    }

    private static (ProcessorField Field, int Number)[] DebugRegisters =>
    [
        (ProcessorField.Dr0, 0), (ProcessorField.Dr1, 1), (ProcessorField.Dr2, 2), (ProcessorField.Dr3, 3), (ProcessorField.Dr6, 6), (ProcessorField.Dr7, 7),
    ];

    private static void Write(IStateWriter to, ProcessorField field, ulong value) => to.UInt64((int)field, value);

    private static ulong Read(StateReader from, ProcessorField field) => from.UInt64((int)field);

    private static void WriteSegment(IStateWriter to, ProcessorField field, SegmentState segment) => to.Section((int)field, section =>
    {
        section.UInt16((int)SegmentField.Selector, segment.Selector);
        section.UInt64((int)SegmentField.Base, segment.Base);
        section.UInt32((int)SegmentField.Limit, segment.Limit);
        section.UInt32((int)SegmentField.AccessRights, segment.AccessRights);
    });

    private static SegmentState ReadSegment(StateReader from, ProcessorField field)
    {
        StateReader section = from.Section((int)field) ?? throw Missing(field);
        var segment = new SegmentState(
            section.UInt16((int)SegmentField.Selector), section.UInt64((int)SegmentField.Base),
            section.UInt32((int)SegmentField.Limit), section.UInt32((int)SegmentField.AccessRights));
        section.RequireAllRead();
        return segment;
    }

    private static void WriteMsrs(IStateWriter to, Dictionary<uint, ulong> msrs)
    {
        int number = 0;
        foreach ((uint index, ulong value) in msrs.OrderBy(msr => msr.Key))
        {
            to.Section(++number, section =>
            {
                section.UInt32((int)MsrField.Index, index);
                section.UInt64((int)MsrField.Value, value);
            });
        }
    }

    private static void ReadMsrs(StateReader from, Dictionary<uint, ulong> msrs)
    {
        for (int number = 1; from.Section(number) is { } section; number++)
        {
            msrs[section.UInt32((int)MsrField.Index)] = section.UInt64((int)MsrField.Value);
            section.RequireAllRead();
        }

        from.RequireAllRead();
    }

    private static void WriteApic(IStateWriter to, LocalApicState apic)
    {
        to.UInt64((int)LocalApicField.Base, apic.Base);
        to.Bytes((int)LocalApicField.Registers, MemoryMarshal.AsBytes(apic.Registers.AsSpan()));
        to.UInt32((int)LocalApicField.PendingErrors, apic.PendingErrors);
        to.UInt64((int)LocalApicField.TimerExpiry, (ulong)(apic.TimerExpiry ?? long.MaxValue));
        to.UInt64((int)LocalApicField.TimestampDeadline, apic.TimestampDeadline);
    }

    private static LocalApicState ReadApic(StateReader from)
    {
        var apic = new LocalApicState { Base = from.UInt64((int)LocalApicField.Base), PendingErrors = from.UInt32((int)LocalApicField.PendingErrors) };
        if (!from.Bytes((int)LocalApicField.Registers, MemoryMarshal.AsBytes(apic.Registers.AsSpan())))
        {
            throw Missing(ProcessorField.LocalApic);
        }

        long expiry = (long)from.UInt64((int)LocalApicField.TimerExpiry, long.MaxValue);
        apic.TimerExpiry = expiry == long.MaxValue ? null : expiry;
        apic.TimestampDeadline = from.UInt64((int)LocalApicField.TimestampDeadline);
        from.RequireAllRead();
        return apic;
    }

    private static StateException Missing(ProcessorField field) => new($"the field {field} is missing.");
}
