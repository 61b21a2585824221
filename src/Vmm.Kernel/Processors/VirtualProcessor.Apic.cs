namespace Vmm.Kernel;

// The local APIC on its way to an engine that models it, and back. Both ways only while no thread runs the processor.
internal sealed partial class VirtualProcessor
{
    private bool _windowIsOpen;

    /// <summary>Whether the engine has the local APIC: the guest's registers are not in <see cref="Apic"/> then.</summary>
    public bool IsApicWithEngine { get; private set; }

    /// <summary>Gives the local APIC away, and with it what the processor waits for.</summary>
    public void GoWithoutApic(out LocalApicState state, out ActivityState activity)
    {
        // INIT and start-up IPIs that a saved VM had not acted on yet, and NMIs, which are past LINT1 of the registers here.
        const ProcessorSignal Messages = ProcessorSignal.Init | ProcessorSignal.Startup | ProcessorSignal.Nmi;
        var pending = (ProcessorSignal)Interlocked.And(ref _pending, ~(int)Messages);
        _nmiPending |= pending.HasFlag(ProcessorSignal.Nmi);
        Initialize(pending, loaded => _stateToLoad = loaded);
        if (_stateToLoad is { LocalApic: null } first)
        {
            Apic.Cr8 = (uint)first.Cr8;
        }

        state = Apic.Save();
        activity = _stateToLoad is { Activity: (uint)ActivityState.Hlt } ? ActivityState.Hlt : _activity;
        Apic.Detach();
        _activity = ActivityState.Active;
        _windowIsOpen = _idle = false;
        IsApicWithEngine = true;
        Interlocked.Or(ref _pending, (int)ProcessorSignal.Interrupt); // INTR may be asserted
        Member.Pool.Wake(Member);
    }

    /// <summary>Takes the local APIC back.</summary>
    /// <param name="state">Its registers.</param>
    /// <param name="activity">What the processor waits for.</param>
    /// <param name="passesNmi">Whether LINT1 lets an NMI through that was signalled and not looked at yet.</param>
    public void TakeApicBack(LocalApicState state, ActivityState activity, bool passesNmi)
    {
        IsApicWithEngine = false;
        var pending = (ProcessorSignal)Interlocked.And(ref _pending, ~(int)ProcessorSignal.Nmi);
        _nmiPending |= pending.HasFlag(ProcessorSignal.Nmi) && passesNmi;
        Apic.Restore(state);
        _activity = activity;
    }

    /// <summary>The engine's local APIC is lost: the processor has none, and does not run any more.</summary>
    public void GiveApicUp() => IsApicWithEngine = false;
}
