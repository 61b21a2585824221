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
        // INIT and start-up IPIs that a saved VM had not acted on yet.
        const ProcessorSignal Initializing = ProcessorSignal.Init | ProcessorSignal.Startup;
        var pending = (ProcessorSignal)Interlocked.And(ref _pending, ~(int)Initializing);
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
    public void TakeApicBack(LocalApicState state, ActivityState activity)
    {
        IsApicWithEngine = false;
        Apic.Restore(state);
        _activity = activity;
    }
}
