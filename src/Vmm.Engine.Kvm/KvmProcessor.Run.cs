using System.Diagnostics;
using System.Runtime.InteropServices;
using Vmm.Engine.Kvm.Interop;
using Vmm.Engine.Kvm.Processor;
using Vmm.Engine.Kvm.Vmx;

namespace Vmm.Engine.Kvm;

// Non-root operation: KVM runs the guest, exits are delivered in place, until the sink leaves.
internal sealed unsafe partial class KvmProcessor
{
    private IVmExitSink? _sink;
    private ulong _deadline;
    private bool _timerRuns;
    private bool _leaving;
    private bool _waitsForWindow;
    private bool _windowIsUnknown;

    // An access that KVM waits to finish: it does so when it is next asked to run.
    private bool _completionPending;

    /// <summary>What enters the guest. A benchmark puts <see cref="KvmRequest.Nothing"/> here, to see the last exit handled again.</summary>
    internal KvmRequest EntryRequest { get; set; } = KvmRequest.Run;

    /// <summary>Nanoseconds that an empty system call takes.</summary>
    internal double MeasureTransition(int count)
    {
        long start = Stopwatch.GetTimestamp();
        for (int n = 0; n < count; n++)
        {
            _ = LibC.Ioctl(_vcpu.Number, (nuint)KvmRequest.Nothing, 0);
        }

        return Stopwatch.GetElapsedTime(start).TotalNanoseconds / count;
    }

    private VmxResult Run(Vmcs vmcs, IVmExitSink sink)
    {
        _vmcs = vmcs;
        _sink = sink;
        _result = VmxResult.Succeed;
        _leaving = false;
        Volatile.Write(ref _threadInside, KickSignal.CurrentThread);
        try
        {
            if (Reenter())
            {
                vmcs.LaunchState = VmcsLaunchState.Launched;
                if (RehearseCpuid() && Reenter())
                {
                    LoadSurroundings();
                    StartTimer();
                    _windowIsUnknown = _apic is not null;
                    Loop();
                }
            }
        }
        finally
        {
            Volatile.Write(ref _threadInside, 0);
            StopTimer();
            _sink = null;
        }

        return _result;
    }

    private void Loop()
    {
        while (true)
        {
            if (!_completionPending)
            {
                if (_leaving)
                {
                    return;
                }

                if (DeliverDueExit())
                {
                    continue;
                }

                Inject();
                if (_windowIsUnknown && Has(PrimaryProcessorBasedControls.InterruptWindowExiting))
                {
                    // KVM tells of the window when it returns, and would not return from a HLT.
                    _run->ImmediateExit = 1;
                }
            }
            else if (_leaving || IsEventQueued || WaitsForWindow)
            {
                // Finish the instruction first, and run nothing behind it.
                _run->ImmediateExit = 1;
            }

            _machine.Slots.Refresh();
            _registers.WriteBack();
            _run->RequestInterruptWindow = (byte)(_waitsForWindow || Has(PrimaryProcessorBasedControls.InterruptWindowExiting) ? 1 : 0);
            FollowSteps();
            EnterGuest();
        }
    }

    private void EnterGuest()
    {
        RunCount++;
        _pass.Enter();
        int result = LibC.Ioctl(_vcpu.Number, (nuint)EntryRequest, 0);
        int error = result < 0 ? Marshal.GetLastPInvokeError() : 0;
        _pass.Leave();
        _registers.Forget();
        _entryControlsStale = true;
        _completionPending = _windowIsUnknown = false;
        if (error is LibC.Eintr or LibC.Eagain)
        {
            // Whoever asked for this has left word elsewhere, which the loop looks at before it enters again.
            InterruptedRunCount++;
            Volatile.Write(ref _run->ImmediateExit, 0);
            Interlocked.MemoryBarrier();
            TakeBackEvent();
            RestoreCancelled();
            FollowTaskPriority();
        }
        else if (error != 0)
        {
            throw new KvmException($"KVM_RUN failed: {Marshal.GetPInvokeErrorMessage(error)}.");
        }
        else
        {
            Follow();
        }
    }

    /// <summary>Exits that are due between instructions and that KVM knows nothing of. True: one was delivered.</summary>
    private bool DeliverDueExit()
    {
        // The clock and what other threads want are looked at when somebody has asked for attention, not at every exit.
        if (Volatile.Read(ref _attention) && TakeAttention())
        {
            return true;
        }

        if (Has(PrimaryProcessorBasedControls.NmiWindowExiting) && _guest.Read(VmcsField.GuestInterruptibilityState) == 0)
        {
            return DeliverBetween(ExitReason.NmiWindow);
        }

        if (Has(PrimaryProcessorBasedControls.InterruptWindowExiting) && !IsEventQueued && InterruptWindowIsOpen)
        {
            return DeliverBetween(ExitReason.InterruptWindow);
        }

        return Volatile.Read(ref _kicked) != 0 && Interlocked.Exchange(ref _kicked, 0) != 0 && DeliverBetween(ExitReason.ExternalInterrupt);
    }

    private bool TakeAttention()
    {
        Volatile.Write(ref _attention, false);
        Interlocked.MemoryBarrier();
        if (_timerRuns)
        {
            if (_machine.Clock.Timestamp >= _deadline)
            {
                StopTimer();
                _vmcs[VmcsField.PreemptionTimerValue] = 0;
                return DeliverBetween(ExitReason.PreemptionTimerExpired);
            }

            ArmAlarm();
        }

        return false;
    }

    private bool WaitsForWindow =>
        Has(PrimaryProcessorBasedControls.NmiWindowExiting | PrimaryProcessorBasedControls.InterruptWindowExiting);

    // KVM has no exit for the end of a shadow that holds an NMI back: one step is its whole length. And a KVM that emulates
    // looks at the interrupt window every thousand instructions only. A HLT that is stepped over may be lost: it runs freely.
    private void FollowSteps()
    {
        bool steps = Has(PrimaryProcessorBasedControls.NmiWindowExiting | PrimaryProcessorBasedControls.MonitorTrapFlag)
            || (!_machine.RunsOnHardware && _run->RequestInterruptWindow != 0 && _given.Vector is null);
        SetDebugControl(steps && !IsNextInstructionHlt());
    }

    private bool IsNextInstructionHlt()
    {
        const byte Hlt = 0xF4;
        return TryReadByte(_registers.Special.Cs.Base + _registers.Rip, out byte opcode) && opcode == Hlt;
    }

    private bool TryReadByte(ulong linear, out byte value)
    {
        value = 0;
        return TryTranslate(linear, out ulong physical) && _machine.Slots.TryRead(physical, out value);
    }

    private bool TryTranslate(ulong linear, out ulong physical)
    {
        var translation = new KvmTranslation { LinearAddress = linear };
        bool answered = _vcpu.Try(KvmRequest.Translate, (nint)(&translation)) >= 0;
        physical = translation.PhysicalAddress;
        return answered && translation.Valid != 0;
    }

    private bool DeliverBetween(ExitReason reason)
    {
        Begin(reason);
        Finish(Deliver());
        return true;
    }

    // The timer counts from the value of the field at each VMLAUNCH and VMRESUME (SDM Vol. 3C 26.5.1).
    private void StartTimer()
    {
        if ((_vmcs[VmcsField.PinBasedControls] & (ulong)PinBasedControls.ActivatePreemptionTimer) != 0)
        {
            _deadline = _machine.Clock.Timestamp + (_vmcs[VmcsField.PreemptionTimerValue] << KvmCapabilities.PreemptionTimerShift);
            _timerRuns = true;
            ArmAlarm();
        }
    }

    private void StopTimer()
    {
        if (_timerRuns)
        {
            _timerRuns = false;
            _alarm.Change(Timeout.Infinite, Timeout.Infinite);
        }
    }

    // The host's timers tick in milliseconds; the deadline itself is looked at in DeliverDueExit.
    private void ArmAlarm()
    {
        ulong now = _machine.Clock.Timestamp;
        if (now >= _deadline)
        {
            Volatile.Write(ref _attention, true);
            return;
        }

        double milliseconds = (_deadline - now) * 1000.0 / Math.Max(1, _machine.Clock.Frequency);
        _alarm.Change((long)Math.Clamp(Math.Ceiling(milliseconds), 1, 10_000), Timeout.Infinite);
    }
}
