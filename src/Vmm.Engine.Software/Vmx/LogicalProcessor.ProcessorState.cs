using System.Runtime.InteropServices;
using Vmm.Engine.Software.Instructions.System;
using Vmm.Engine.Software.Instructions.Xsave;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software;

/// <summary>The engine-neutral form of the processor state.</summary>
internal sealed unsafe partial class LogicalProcessor
{
    private const int XstateBvOffset = 512;
    private const ulong X87Component = 1, SseComponent = 2, AvxComponent = 4;
    private const ulong Components = X87Component | SseComponent | AvxComponent;

    /// <summary>Initial configurations (SDM Vol. 1 13.6): FCW 037FH, MXCSR 1F80H, the rest 0.</summary>
    private static readonly byte[] InitialArea = NewInitialArea();

    public void SaveState(ProcessorState state)
    {
        CpuState* s = _state;
        state.Registers = s->Gpr;
        state.Rip = s->Rip;
        state.Rflags = ArithmeticFlags.ReadRflags(s);
        for (int n = 0; n < state.Segments.Length; n++)
        {
            SegmentCache segment = (&s->Es)[n];
            state.Segments[n] = new SegmentState(segment.Selector, segment.Base, segment.Limit, segment.AccessRights);
        }

        state.Gdtr = new DescriptorTableState(s->GdtrBase, s->GdtrLimit);
        state.Idtr = new DescriptorTableState(s->IdtrBase, s->IdtrLimit);
        state.Cr0 = s->Cr0;
        state.Cr2 = s->Cr2;
        state.Cr3 = s->Cr3;
        state.Cr4 = s->Cr4;
        state.Cr8 = s->Cr8;
        state.Xcr0 = s->Xcr0;
        for (int n = 0; n < state.DebugRegisters.Length; n++)
        {
            state.DebugRegisters[n] = s->Dr[n];
        }

        foreach (uint index in MsrFile.Saved)
        {
            MsrFile.TryRead(s, index, out ulong value);
            state.Msrs[index] = value;
        }

        SaveExtendedState(state.XsaveArea);
        state.Interruptibility = s->Interruptibility;
        state.Activity = s->Activity;
        state.PendingDebugExceptions = s->PendingDebugExceptions;
        if (_operation.Current is { } vmcs)
        {
            InterruptionInformation pending = new((uint)vmcs[VmcsField.EntryInterruptionInformation]);
            state.PendingEvent = pending.IsValid ? pending.Value : 0;
            state.PendingEventErrorCode = pending.IsValid ? (uint)vmcs[VmcsField.EntryExceptionErrorCode] : 0;
            state.PendingEventInstructionLength = pending.IsSoftware ? (uint)vmcs[VmcsField.EntryInstructionLength] : 0;
        }
    }

    public void LoadState(ProcessorState state)
    {
        CpuState* s = _state;
        s->Gpr = state.Registers;
        s->Rip = state.Rip;
        ArithmeticFlags.WriteRflags(s, state.Rflags);
        for (int n = 0; n < state.Segments.Length; n++)
        {
            SegmentState segment = state.Segments[n];
            (&s->Es)[n] = new SegmentCache
            {
                Selector = segment.Selector,
                Base = segment.Base,
                Limit = segment.Limit,
                AccessRights = segment.AccessRights,
            };
        }

        (s->GdtrBase, s->GdtrLimit) = (state.Gdtr.Base, state.Gdtr.Limit);
        (s->IdtrBase, s->IdtrLimit) = (state.Idtr.Base, state.Idtr.Limit);
        s->Cr0 = state.Cr0;
        s->Cr2 = state.Cr2;
        s->Cr3 = state.Cr3;
        s->Cr4 = state.Cr4;
        s->Cr8 = state.Cr8;
        s->Xcr0 = state.Xcr0;
        for (int n = 0; n < state.DebugRegisters.Length; n++)
        {
            s->Dr[n] = state.DebugRegisters[n];
        }

        foreach ((uint index, ulong value) in state.Msrs)
        {
            MsrFile.Restore(s, index, value);
        }

        LoadExtendedState(state.XsaveArea);
        s->Interruptibility = (byte)state.Interruptibility;
        s->Activity = (byte)state.Activity;
        s->PendingDebugExceptions = state.PendingDebugExceptions;
        if (_operation.Current is { } vmcs)
        {
            vmcs[VmcsField.EntryInterruptionInformation] = state.PendingEvent;
            vmcs[VmcsField.EntryExceptionErrorCode] = state.PendingEventErrorCode;
            vmcs[VmcsField.EntryInstructionLength] = state.PendingEventInstructionLength;
        }

        s->Cpl = (byte)((s->Ss.AccessRights >> 5) & 3);
        NonRoot.NoteNewState();
        ProcessorMode.Changed(s);
        StateLoaded();
    }

    private void SaveExtendedState(Span<byte> area)
    {
        area.Clear();
        LegacyRegion.StoreX87(_state, area, wide: true);
        LegacyRegion.StoreMxcsr(_state, area);
        LegacyRegion.StoreVectors(_state, area, 16);
        AvxRegion.Store(_state, area);
        MemoryMarshal.Write(area[XstateBvOffset..], Components);
    }

    private void LoadExtendedState(ReadOnlySpan<byte> area)
    {
        var components = MemoryMarshal.Read<ulong>(area[XstateBvOffset..]);
        ReadOnlySpan<byte> vectors = (components & SseComponent) != 0 ? area : InitialArea;
        LegacyRegion.LoadX87(_state, (components & X87Component) != 0 ? area : InitialArea, wide: true);
        LegacyRegion.LoadVectors(_state, vectors, 16);
        AvxRegion.Load(_state, (components & AvxComponent) != 0 ? area : InitialArea, 16);
        _state->Mxcsr = LegacyRegion.ReadMxcsr(vectors) & Mxcsr.Mask;
    }

    private static byte[] NewInitialArea()
    {
        var area = new byte[AvxRegion.Offset + AvxRegion.Size];
        MemoryMarshal.Write(area, (ushort)0x037F);
        MemoryMarshal.Write(area.AsSpan(LegacyRegion.MxcsrOffset), 0x1F80u);
        return area;
    }
}
