namespace Vmm.Kernel;

// Events: what other threads signal, and how the processor's thread acts on it.
internal sealed partial class VirtualProcessor
{
    private int _pending; // ProcessorSignal bits, set by any thread
    private volatile bool _idle = true; // off its thread with nothing to do: a signal must wake it
    private volatile bool _inGuest; // between entry and exit: a signal must kick it
    private volatile byte _startupVector;
    private ActivityState _activity = ActivityState.WaitForSipi;

    public void SignalInterrupt() => Signal(ProcessorSignal.Interrupt);

    public void SetTaskPriority(uint cr8) => Logical.Cr8 = cr8;

    public void SignalNmi() => Signal(ProcessorSignal.Nmi);

    public void SignalInit() => Signal(ProcessorSignal.Init);

    public void SignalStartup(byte vector)
    {
        _startupVector = vector;
        Signal(ProcessorSignal.Startup);
    }

    /// <summary>Guest memory was remapped.</summary>
    public void SignalMemoryMap() => Signal(ProcessorSignal.MemoryMap);

    /// <inheritdoc/>
    public void RequestExit() => Signal(ProcessorSignal.Exit);

    /// <summary>Gives up the rest of the quantum once the instruction of this exit is done.</summary>
    public void YieldAfterExit()
    {
        _yielding = true;
        Interlocked.Or(ref _pending, (int)ProcessorSignal.Yield);
    }

    /// <summary>The quantum is over.</summary>
    public void Yield() => _yielding = true;

    /// <summary>HLT: on at once when something waits, else out until it does.</summary>
    public VmExitAction Halt(uint instructionLength)
    {
        Advance(instructionLength);
        if (WakesFromHalt())
        {
            Interlocked.Or(ref _pending, (int)ProcessorSignal.Interrupt);
            return VmExitAction.Resume;
        }

        _activity = ActivityState.Hlt;
        return VmExitAction.Leave;
    }

    private void Signal(ProcessorSignal signal)
    {
        int before = Interlocked.Or(ref _pending, (int)signal);
        if (_idle)
        {
            Member.Pool.Wake(Member);
        }
        else if ((before & (int)signal) == 0 && _inGuest && _thread != Environment.CurrentManagedThreadId)
        {
            Logical.Kick();
        }
    }

    /// <summary>Acts on what was signalled since the last look, and queues an event for the coming entry.</summary>
    /// <returns>False when the guest is not to be entered.</returns>
    private bool TryPrepareEntry(out PooledRunResult stopped)
    {
        while (true)
        {
            var pending = (ProcessorSignal)Interlocked.Exchange(ref _pending, 0);
            if (pending.HasFlag(ProcessorSignal.Exit))
            {
                Interlocked.Or(ref _pending, (int)(pending & ~ProcessorSignal.Exit));
                stopped = PooledRunResult.Runnable;
                return false;
            }

            Follow(pending);
            if (_activity == ActivityState.WaitForSipi || (_activity == ActivityState.Hlt && !WakesFromHalt()))
            {
                if (TryBecomeIdle())
                {
                    stopped = PooledRunResult.Blocked;
                    return false;
                }

                continue;
            }

            _activity = ActivityState.Active;
            Inject();
            _inGuest = true;
            Interlocked.MemoryBarrier();
            if (Volatile.Read(ref _pending) == 0)
            {
                stopped = default;
                return true;
            }

            _inGuest = false;
        }
    }

    /// <summary>Acts on what was signalled, at the end of an exit that is handled in place.</summary>
    private VmExitAction Settle(VmExitAction action, ref VmExit exit)
    {
        const ProcessorSignal Leaving = ProcessorSignal.Exit | ProcessorSignal.Init | ProcessorSignal.Startup | ProcessorSignal.Yield;
        var pending = (ProcessorSignal)Interlocked.Exchange(ref _pending, 0);
        if (action == VmExitAction.Leave || (pending & Leaving) != 0)
        {
            Interlocked.Or(ref _pending, (int)(pending & ~ProcessorSignal.Yield));
            return Leave(action, ref exit);
        }

        Follow(pending);
        if (!_nmiPending && !HasInterrupt())
        {
            return action;
        }

        switch (action)
        {
            case VmExitAction.Complete:
                // RFLAGS and the interrupt shadow count after the instruction: let the window tell.
                OpenWindows();
                return action;
            case VmExitAction.NextInstruction:
                Advance(exit.InstructionLength);
                break;
        }

        Inject();
        return VmExitAction.Resume;
    }

    private VmExitAction Leave(VmExitAction action, ref VmExit exit)
    {
        if (action == VmExitAction.NextInstruction)
        {
            Advance(exit.InstructionLength);
        }

        exit.CompleteFirst = action == VmExitAction.Complete;
        return VmExitAction.Leave;
    }

    private void Follow(ProcessorSignal signals)
    {
        _nmiPending |= signals.HasFlag(ProcessorSignal.Nmi) && Machine.Apics.PassesNmi(this);
        if (signals.HasFlag(ProcessorSignal.MemoryMap))
        {
            UpdateMemoryMap();
        }

        Initialize(signals, Load);
    }

    private void Initialize(ProcessorSignal signals, Action<ProcessorState> load)
    {
        if (signals.HasFlag(ProcessorSignal.Init))
        {
            Apic.ResetRegisters();
            load(PowerOnState.Create(Machine.Cpuid.Signature));
            Machine.TimestampHandlers.Tell(this, TimestampChange.Reset);
            _activity = Id.Index == 0 ? ActivityState.Active : ActivityState.WaitForSipi;
        }

        // A start-up IPI counts only while it is waited for (SDM Vol. 3A 9.4.4).
        if (signals.HasFlag(ProcessorSignal.Startup) && _activity == ActivityState.WaitForSipi)
        {
            load(PowerOnState.CreateStartup(Machine.Cpuid.Signature, _startupVector));
            _activity = ActivityState.Active;
        }
    }

    /// <summary>Moves RIP over an instruction; that ends the blocking by STI and MOV SS (SDM Vol. 3A 6.8.3).</summary>
    private void Advance(uint instructionLength)
    {
        if (instructionLength == 0)
        {
            return; // the engine has moved RIP, and a shadow that it shows is of the next instruction
        }

        ulong mask = IsLongMode ? ulong.MaxValue : uint.MaxValue;
        Vmcs[VmcsField.GuestRip] = (Vmcs[VmcsField.GuestRip] + instructionLength) & mask;
        ulong interruptibility = Vmcs[VmcsField.GuestInterruptibilityState];
        const ulong Shadow = (ulong)(InterruptibilityState.BlockingBySti | InterruptibilityState.BlockingByMovSs);
        if ((interruptibility & Shadow) != 0)
        {
            Vmcs[VmcsField.GuestInterruptibilityState] = interruptibility & ~Shadow;
        }
    }

    private bool TryBecomeIdle()
    {
        _idle = true;
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _pending) == 0)
        {
            return true;
        }

        _idle = false;
        return false;
    }

    private void ResetEvents()
    {
        Interlocked.Exchange(ref _pending, 0);
        _nmiPending = _windowIsOpen = false;
    }

    [Flags]
    private enum ProcessorSignal
    {
        None = 0,
        Interrupt = 1,
        Nmi = 2,
        Init = 4,
        Startup = 8,
        Exit = 16,
        MemoryMap = 32,
        Yield = 64,
    }
}
