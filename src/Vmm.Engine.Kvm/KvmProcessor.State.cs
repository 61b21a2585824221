using System.Runtime.InteropServices;
using Vmm.Engine.Kvm.Interop;
using Vmm.Engine.Kvm.Processor;
using Vmm.Engine.Kvm.Vmx;

namespace Vmm.Engine.Kvm;

// The engine-neutral form of the processor state.
internal sealed unsafe partial class KvmProcessor
{
    private const int XsaveSize = 4096, XstateBvOffset = 512, AvxEnd = 832, LegacyEnd = 576;
    private const int MxcsrOffset = 24, StackOffset = 32, VectorsOffset = 160, VectorsEnd = 416;
    private const ulong X87 = 1, Sse = 2, Avx = 4;
    private const ushort InitialControlWord = 0x37F;
    private const ulong PatAfterReset = 0x0007_0406_0007_0406; // SDM Vol. 3A 12.12.4

    public void SaveState(ProcessorState state)
    {
        state.Registers = _registers.General;
        state.Rip = _registers.Rip;
        state.Rflags = _registers.Rflags;
        KvmSpecialRegisters special = _registers.Special;
        for (int n = 0; n < state.Segments.Length; n++)
        {
            state.Segments[n] = SegmentForm.Read(SegmentForm.Of(ref special, (SegmentRegister)n));
        }

        state.Gdtr = new DescriptorTableState(special.Gdt.Base, special.Gdt.Limit);
        state.Idtr = new DescriptorTableState(special.Idt.Base, special.Idt.Limit);
        (state.Cr0, state.Cr2, state.Cr3, state.Cr4) = (special.Cr0, special.Cr2, special.Cr3, special.Cr4);
        state.Cr8 = Cr8;
        state.Xcr0 = _registers.Xcr0;
        KvmDebugRegisters debug = _registers.Debug;
        for (int n = 0; n < 4; n++)
        {
            state.DebugRegisters[n] = debug.Db[n];
        }

        (state.DebugRegisters[6], state.DebugRegisters[7]) = (debug.Dr6, debug.Dr7);
        state.PageDirectoryPointers = (special.Flags & KvmSpecialRegisters.PdptrsValid) != 0
            ? [special.Pdptrs[0], special.Pdptrs[1], special.Pdptrs[2], special.Pdptrs[3]]
            : null;
        state.Msrs[Msr.Ia32Efer] = special.Efer;
        foreach (uint index in MsrAccess.Saved)
        {
            state.Msrs[index] = _msrs.Read(index);
        }

        SaveExtendedState(state.XsaveArea);
        SaveEvents(state);
        state.Activity = (uint)ActivityState.Active;
        state.PendingDebugExceptions = 0;
    }

    public void LoadState(ProcessorState state)
    {
        _completionPending = false;
        _registers.General = state.Registers;
        _registers.Rip = state.Rip;
        _registers.Rflags = state.Rflags;
        ref KvmSpecialRegisters special = ref _registers.SpecialForWriting;
        for (int n = 0; n < state.Segments.Length; n++)
        {
            SegmentForm.Write(ref SegmentForm.Of(ref special, (SegmentRegister)n), state.Segments[n]);
        }

        (special.Gdt.Base, special.Gdt.Limit) = (state.Gdtr.Base, state.Gdtr.Limit);
        (special.Idt.Base, special.Idt.Limit) = (state.Idtr.Base, state.Idtr.Limit);
        (special.Cr0, special.Cr2, special.Cr3, special.Cr4) = (state.Cr0, state.Cr2, state.Cr3, state.Cr4);
        Cr8 = state.Cr8;
        special.Cr8 = _apic is null ? state.Cr8 : special.Cr8; // KVM's APIC has it
        special.Efer = state.Msrs.GetValueOrDefault(Msr.Ia32Efer);
        LoadPageDirectoryPointers(ref special, state.PageDirectoryPointers);
        _registers.Xcr0 = state.Xcr0;
        ref KvmDebugRegisters debug = ref _registers.DebugForWriting;
        for (int n = 0; n < 4; n++)
        {
            debug.Db[n] = state.DebugRegisters[n];
        }

        (debug.Dr6, debug.Dr7) = (state.DebugRegisters[6], state.DebugRegisters[7]);
        LoadEvents(state);
        _registers.WriteBack();
        LoadModelSpecificRegisters(state.Msrs);
        LoadExtendedState(state.XsaveArea);
        NoteNewState();
    }

    // Null: KVM takes them from memory, as MOV to CR3 does.
    private static void LoadPageDirectoryPointers(ref KvmSpecialRegisters special, ulong[]? pointers)
    {
        special.Flags &= ~KvmSpecialRegisters.PdptrsValid;
        if (pointers is not null)
        {
            special.Flags |= KvmSpecialRegisters.PdptrsValid;
            for (int n = 0; n < pointers.Length; n++)
            {
                special.Pdptrs[n] = pointers[n];
            }
        }
    }

    private void LoadModelSpecificRegisters(Dictionary<uint, ulong> saved)
    {
        foreach (uint index in MsrAccess.Saved)
        {
            ulong afterReset = index == Msr.Ia32Pat ? PatAfterReset : 0;
            if (index == Msr.Ia32MiscEnable && !saved.ContainsKey(index))
            {
                continue; // describes the processor model
            }

            ulong value = saved.GetValueOrDefault(index, afterReset);
            if (!_msrs.TryWrite(index, value) && value != afterReset)
            {
                throw new KvmException($"The saved state has 0x{value:x} in MSR 0x{index:x}, which KVM does not take.");
            }
        }
    }

    // Blocking by NMI in full: only in the running guest's VMCS is it KVM's own business.
    private void SaveEvents(ProcessorState state)
    {
        KvmVcpuEvents events = _registers.Events;
        state.Interruptibility = (uint)(GuestStateFields.Shadow(events)
            | (events.NmiMasked != 0 ? InterruptibilityState.BlockingByNmi : 0));
        (state.PendingEvent, state.PendingEventErrorCode) = PendingEvent(events);

        // Only one event can be injected next, and an NMI not while NMIs are blocked: then it waits.
        bool isNext = state.PendingEvent == InterruptionInformation.Nmi.Value && events.NmiInjected == 0;
        state.NmiPending = events.NmiPending != 0 && !isNext;
        state.PendingEventInstructionLength = new InterruptionInformation(state.PendingEvent).IsSoftware
            ? (uint)_operation.Current![VmcsField.EntryInstructionLength]
            : 0;
    }

    private (uint Event, uint ErrorCode) PendingEvent(in KvmVcpuEvents events)
    {
        if (_operation.Current is { } vmcs && new InterruptionInformation((uint)vmcs[VmcsField.EntryInterruptionInformation]) is { IsValid: true } queued)
        {
            return (queued.Value, (uint)vmcs[VmcsField.EntryExceptionErrorCode]);
        }

        if ((events.ExceptionInjected | events.ExceptionPending) != 0)
        {
            bool hasCode = events.ExceptionHasErrorCode != 0;
            return (InterruptionInformation.Create(InterruptionType.HardwareException, events.ExceptionVector, hasCode).Value, events.ExceptionErrorCode);
        }

        if (events.InterruptInjected != 0)
        {
            return (InterruptionInformation.ExternalInterrupt(events.InterruptVector).Value, 0u);
        }

        bool isNmiNext = events.NmiInjected != 0 || (events.NmiPending != 0 && events.NmiMasked == 0);
        return isNmiNext ? (InterruptionInformation.Nmi.Value, 0u) : default;
    }

    private void LoadEvents(ProcessorState state)
    {
        var interruptibility = (InterruptibilityState)state.Interruptibility;
        ForgetEvent();
        _registers.EventsForWriting = new KvmVcpuEvents
        {
            InterruptShadow = (byte)(
                (interruptibility.HasFlag(InterruptibilityState.BlockingBySti) ? KvmVcpuEvents.ShadowSti : 0)
                | (interruptibility.HasFlag(InterruptibilityState.BlockingByMovSs) ? KvmVcpuEvents.ShadowMovSs : 0)),
            NmiMasked = (byte)(interruptibility.HasFlag(InterruptibilityState.BlockingByNmi) ? 1 : 0),
        };
        if (_operation.Current is { } vmcs)
        {
            vmcs[VmcsField.EntryInterruptionInformation] = state.PendingEvent;
            vmcs[VmcsField.EntryExceptionErrorCode] = state.PendingEventErrorCode;
            vmcs[VmcsField.EntryInstructionLength] = state.PendingEventInstructionLength;
        }
    }

    private void SaveExtendedState(Span<byte> area)
    {
        byte* image = stackalloc byte[XsaveSize];
        _vcpu.Request(KvmRequest.GetXsave, (nint)image);
        area.Clear();
        new ReadOnlySpan<byte>(image, Math.Min(area.Length, AvxEnd)).CopyTo(area);
        ulong components = MemoryMarshal.Read<ulong>(area[XstateBvOffset..]);
        MemoryMarshal.Write(area[XstateBvOffset..], components & (X87 | Sse | Avx));
    }

    // A component that XSTATE_BV leaves out is in its initial configuration, whatever its bytes; MXCSR counts always
    // (SDM Vol. 1 13.6, 13.8).
    private void LoadExtendedState(ReadOnlySpan<byte> area)
    {
        byte* image = stackalloc byte[XsaveSize];
        var target = new Span<byte>(image, XsaveSize);
        target.Clear();
        ulong components = MemoryMarshal.Read<ulong>(area[XstateBvOffset..]) & (X87 | Sse | (area.Length >= AvxEnd ? Avx : 0));
        if ((components & X87) != 0)
        {
            area[..MxcsrOffset].CopyTo(target);
            area[StackOffset..VectorsOffset].CopyTo(target[StackOffset..]);
        }
        else
        {
            MemoryMarshal.Write(target, InitialControlWord);
        }

        area.Slice(MxcsrOffset, sizeof(uint)).CopyTo(target[MxcsrOffset..]);
        if ((components & Sse) != 0)
        {
            area[VectorsOffset..VectorsEnd].CopyTo(target[VectorsOffset..]);
        }

        if ((components & Avx) != 0)
        {
            area[LegacyEnd..AvxEnd].CopyTo(target[LegacyEnd..]);
        }

        MemoryMarshal.Write(target[XstateBvOffset..], components | X87 | Sse);
        _vcpu.Request(KvmRequest.SetXsave, (nint)image);
    }
}
