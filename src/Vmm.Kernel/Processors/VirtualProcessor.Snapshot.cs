namespace Vmm.Kernel;

// The processor in its engine-neutral form: what the engine holds, and what the kernel holds for it.
internal sealed partial class VirtualProcessor
{
    /// <summary>Copies the processor's state out. Only while no thread runs it.</summary>
    public ProcessorState Save()
    {
        ProcessorState state = SaveGuest();
        var pending = (ProcessorSignal)Volatile.Read(ref _pending);
        state.Activity = (uint)_activity;
        state.NmiPending |= _nmiPending || pending.HasFlag(ProcessorSignal.Nmi);
        state.InitPending = pending.HasFlag(ProcessorSignal.Init);
        state.StartupVector = pending.HasFlag(ProcessorSignal.Startup) ? _startupVector : null;
        SaveTimestamp(state);
        state.Cr8 = Apic.Cr8;
        state.LocalApic = Apic.Save();
        Msrs.Save(state.Msrs);
        return state;
    }

    /// <summary>Sets the processor's state, which the engine takes before the next entry. Only while no thread runs the processor, after <see cref="PowerOn"/>.</summary>
    /// <exception cref="StateException">The state is impossible, or needs what the engine does not have.</exception>
    public void Restore(ProcessorState state)
    {
        Check(state);
        RestoreTimestamp(state);
        Apic.Restore(state.LocalApic ?? throw new StateException("the local APIC is missing."));
        Msrs.Restore(state.Msrs);
        ProcessorSignal signals = (state.InitPending ? ProcessorSignal.Init : 0) | (state.StartupVector is null ? 0 : ProcessorSignal.Startup);
        _startupVector = state.StartupVector ?? 0;
        _nmiPending = state.NmiPending;
        _activity = (ActivityState)state.Activity;
        _stateToLoad = state;
        _idle = false;
        Interlocked.Or(ref _pending, (int)signals);
        Member.Pool.Wake(Member);
    }

    private ProcessorState SaveGuest()
    {
        if (_stage == VmxStage.Off || _stateToLoad is not null)
        {
            return _stateToLoad ??= PowerOnState.Create(Machine.Cpuid.Signature);
        }

        var state = new ProcessorState();
        Logical.SaveState(state);
        state.Cr0 = (state.Cr0 & ~_cr0Fixed) | (Vmcs[VmcsField.Cr0ReadShadow] & _cr0Fixed);
        state.Cr4 = (state.Cr4 & ~_cr4Fixed) | (Vmcs[VmcsField.Cr4ReadShadow] & _cr4Fixed);
        state.PageDirectoryPointers = UsesPageDirectoryPointers ? PageDirectoryPointers : null;
        return state;
    }

    // The rest of a processor's state is checked by the next VM entry (SDM Vol. 3C 27.3).
    private void Check(ProcessorState state)
    {
        const ulong X87 = 1;
        const int LeastArea = 832;
        ulong supported = Machine.Cpuid.SupportedXcr0 | X87;
        if ((state.Xcr0 & X87) == 0 || (state.Xcr0 & ~supported) != 0)
        {
            throw new StateException($"XCR0 is 0x{state.Xcr0:x}, and engine '{Machine.Engine.Name}' has the components 0x{supported:x}.");
        }

        if (state.XsaveArea.Length < LeastArea || state.Activity > (uint)ActivityState.WaitForSipi)
        {
            throw new StateException($"an XSAVE area of {state.XsaveArea.Length} bytes or activity state {state.Activity} is impossible.");
        }
    }
}
