using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Vmx;

/// <summary>What happens between instructions in non-root operation (SDM Vol. 3C 26.2, 26.4, 26.5, 27.6, 27.7).</summary>
internal sealed unsafe partial class NonRoot
{
    private const byte ShadowBits = (byte)(InterruptibilityState.BlockingBySti | InterruptibilityState.BlockingByMovSs);

    private readonly ManualResetEventSlim _wake = new();
    private Timer? _alarm;
    private bool _trapPending;

    /// <summary>Whether an instruction must be followed by an exit with reason 37.</summary>
    public bool TrapsInstructions => Has(PrimaryProcessorBasedControls.MonitorTrapFlag);

    /// <summary>An instruction has run under "monitor trap flag".</summary>
    public void NoteTrap()
    {
        _trapPending = true;
        _state->EventPending = 1;
    }

    /// <summary>Whether the instruction that has just ended is the last one.</summary>
    public bool LeavesNow => _leaveAfterInstruction;

    /// <summary>
    /// Delivers the event that the entry injects, if there is one (SDM Vol. 3C 27.6). An interrupt that the instruction
    /// finished since has closed its window to waits for the next one: hardware would have refused the entry.
    /// </summary>
    public bool Inject()
    {
        var information = new InterruptionInformation((uint)_vmcs[VmcsField.EntryInterruptionInformation]);
        if (!information.IsValid)
        {
            return true;
        }

        if (information.Type == InterruptionType.ExternalInterrupt && !InterruptWindowIsOpen)
        {
            _state->EventPending = 1;
            return true;
        }

        _vmcs[VmcsField.EntryInterruptionInformation] = information.Value & 0x7FFF_FFFF;
        if (information.Type == InterruptionType.OtherEvent)
        {
            // SDM Vol. 3C 27.7.8: a pending MTF exit.
            _trapPending = true;
            return true;
        }

        _state->Activity = (byte)ActivityState.Active;
        return EventDelivery.Deliver(_processor, Event.Injected(
            information, (uint)_vmcs[VmcsField.EntryExceptionErrorCode], (uint)_vmcs[VmcsField.EntryInstructionLength]));
    }

    /// <summary>Exits that are due between instructions, the first by priority. True: go on; false: leave.</summary>
    public bool DeliverDueExit()
    {
        if (_trapPending)
        {
            _trapPending = false;
            return Again(ExitReason.MonitorTrapFlag);
        }

        // None of these ends wait-for-SIPI, and an open interrupt window no shutdown (26.5.1, 27.7.5, 27.7.6).
        var activity = (ActivityState)_state->Activity;
        if (_timer.IsRunning && activity != ActivityState.WaitForSipi)
        {
            if (_timer.HasExpired(_processor.Time.Timestamp))
            {
                return ExitForTimer();
            }

            ArmTimer();
        }

        if (Has(PrimaryProcessorBasedControls.NmiWindowExiting) && NmiWindowIsOpen && activity != ActivityState.WaitForSipi)
        {
            return Again(ExitReason.NmiWindow);
        }

        if (Has(PrimaryProcessorBasedControls.InterruptWindowExiting) && InterruptWindowIsOpen && activity <= ActivityState.Hlt)
        {
            return Again(ExitReason.InterruptWindow);
        }

        return Interlocked.Exchange(ref _kicked, 0) == 0 || Again(ExitReason.ExternalInterrupt);
    }

    // 28.3.1: the field gets 0 if exits save it; either way the next entry starts the timer from the field.
    private bool ExitForTimer()
    {
        _timer.Stop();
        if ((Controls.Exit & VmExitControls.SavePreemptionTimerValue) != 0)
        {
            _vmcs[VmcsField.PreemptionTimerValue] = 0;
        }

        _timerWritten = true;
        _controlsWritten = true;
        return Again(ExitReason.PreemptionTimerExpired);
    }

    /// <summary>Waits in an inactive state until something may end it.</summary>
    public void WaitForEvent()
    {
        _state->Phase = (int)ProcessorPhase.Waiting;
        if (_timer.IsRunning)
        {
            ulong now = _processor.Time.Timestamp;
            double milliseconds = _timer.HasExpired(now) ? 0 : (_timer.Deadline - now) * 1000.0 / _processor.Time.Frequency;
            _wake.Wait((int)Math.Clamp(Math.Ceiling(milliseconds), 0, 100));
        }
        else
        {
            _wake.Wait(100);
        }

        _wake.Reset();
        _state->EventPending = 1;
    }

    /// <summary>Interrupts are not blocked (SDM Vol. 3C 26.2): IF set, no shadow.</summary>
    private bool InterruptWindowIsOpen =>
        (_state->SystemFlags & (ulong)RflagsBits.If) != 0 && (_state->Interruptibility & ShadowBits) == 0;

    private bool NmiWindowIsOpen =>
        (_state->Interruptibility & ((byte)InterruptibilityState.BlockingByNmi | ShadowBits)) == 0;

    // Whatever the exit left pending is looked at again before an instruction runs.
    private bool Again(ExitReason reason)
    {
        _state->EventPending = 1;
        return ExitBetweenInstructions(reason);
    }

    // The run loop looks at no clock: an alarm makes it look up.
    private void ArmTimer()
    {
        ulong now = _processor.Time.Timestamp;
        if (_timer.HasExpired(now))
        {
            _state->EventPending = 1;
            return;
        }

        double milliseconds = (_timer.Deadline - now) * 1000.0 / Math.Max(1, _processor.Time.Frequency);
        _alarm ??= new Timer(static state => ((NonRoot)state!).Alarm(), this, Timeout.Infinite, Timeout.Infinite);
        _alarm.Change((long)Math.Clamp(milliseconds, 1, 10_000), Timeout.Infinite);
    }

    private void Alarm()
    {
        lock (_gate)
        {
            if (!_closed)
            {
                _wake.Set();
                Interlocked.Exchange(ref _state->EventPending, 1);
            }
        }
    }
}
