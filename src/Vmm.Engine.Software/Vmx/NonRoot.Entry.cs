using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.Segmentation;
using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Vmx;

/// <summary>VM entries (SDM Vol. 3C ch. 27).</summary>
internal sealed unsafe partial class NonRoot
{
    /// <summary>VMLAUNCH and VMRESUME past the checks of the launch state: checks, enters, runs until the sink leaves.</summary>
    public VmxResult Run(Vmcs vmcs, IVmExitSink sink)
    {
        _vmcs = vmcs;
        _sink = sink;
        _result = VmxResult.Succeed;
        _controlsWritten = true;
        _leaveAfterInstruction = false;
        _timer.Stop();
        IsActive = true;
        try
        {
            if (EnterOrReport())
            {
                vmcs.LaunchState = VmcsLaunchState.Launched;
                _processor.Run();
            }
        }
        finally
        {
            SaveTimer();
            NoteHost();
            IsActive = false;
            SetControls(default);
            _state->TrapsInstructions = 0;
            _sink = null;
        }

        return _result;
    }

    /// <summary>VMREAD of the preemption-timer value while the timer runs as a deadline.</summary>
    public bool TryReadTimer(out ulong value)
    {
        value = 0;
        if (!_timer.IsRunning || (Controls.Exit & VmExitControls.SavePreemptionTimerValue) == 0)
        {
            return false;
        }

        value = _timer.Remaining(_processor.Time.Timestamp);
        return true;
    }

    private bool EnterOrReport()
    {
        while (!Reenter())
        {
            if (!_result.IsSuccess || _sink!.OnExit(ref _exit) == VmExitAction.Leave)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// The part of a VM entry that is due: nothing when the sink wrote nothing. False: the entry failed; either the result
    /// says so, or the exit information describes a failed entry.
    /// </summary>
    private bool Reenter()
    {
        if (_injectionWritten)
        {
            _injectionWritten = false;
            _state->EventPending = 1;
            if (!_guestStateWritten && !_controlsWritten)
            {
                return CheckInjection();
            }
        }

        if (_controlsWritten || _guestStateWritten)
        {
            VmxResult checks = CheckControlsAndHost();
            if (!checks.IsSuccess)
            {
                _result = checks;
                return false;
            }

            if (!CheckGuestState())
            {
                return false;
            }

            LoadControls();
            if (_switchesState)
            {
                EnterSwitchedState();
                _guestStateWritten = true;
            }

            if (_guestStateWritten)
            {
                LoadGuestState();
            }

            if (_switchesState && !LoadMsrs())
            {
                return false;
            }

            _controlsWritten = false;
            _guestStateWritten = false;
            _state->EventPending = 1;
        }

        return true;
    }

    private bool LoadMsrs()
    {
        uint failed = MsrAreas.Load(_state, _vmcs, VmcsField.EntryMsrLoadCount, VmcsField.EntryMsrLoadAddress, _processor.Memory);
        if (failed == 0)
        {
            return true;
        }

        // A failed entry changes no guest-state field (27.8), and its host is loaded as by an exit.
        bool loaded = LoadHost();
        _fields.To(_state);
        return loaded ? FailEntry(ExitReason.EntryFailureMsrLoading, failed) : Abort(VmxAbort.LoadingHostMsrs);
    }

    private void LoadControls()
    {
        NoteHost();
        SetControls(ExecutionControls.From(_vmcs, _processor.Memory));
        _state->TscOffset = Controls.TscOffset;
        _processor.Mmu.EptPointer = Controls.EptPointer;
        if (!Has(PinBasedControls.ActivatePreemptionTimer))
        {
            _timer.Stop();
        }
        else if (!_timer.IsRunning || _timerWritten)
        {
            _timer.Start(_vmcs[VmcsField.PreemptionTimerValue], _processor.Time.Timestamp);
            ArmTimer();
        }

        _timerWritten = false;
        LoadSwitching();
        _state->TrapsInstructions = (byte)(Has(PrimaryProcessorBasedControls.MonitorTrapFlag) ? 1 : 0);
        BlockMode.Update(_state);
    }

    private void SaveTimer()
    {
        if (TryReadTimer(out ulong remaining))
        {
            _vmcs[VmcsField.PreemptionTimerValue] = remaining;
        }
    }

    /// <summary>Loading guest state (SDM Vol. 3C 27.3.2): the fields are in place already, what follows from them is not.</summary>
    private void LoadGuestState()
    {
        CpuState* s = _state;
        var entry = (VmEntryControls)_vmcs[VmcsField.VmEntryControls];
        if (!entry.HasFlag(VmEntryControls.LoadIa32Efer))
        {
            // SDM Vol. 3C 27.3.2.1: LMA from the control; LME too when paging is on.
            const ulong Bits = (ulong)(EferBits.Lma | EferBits.Lme);
            s->Efer &= ~(ulong)EferBits.Lma;
            if ((s->Cr0 & (ulong)Cr0Bits.Pg) != 0)
            {
                s->Efer &= ~Bits;
            }

            if (entry.HasFlag(VmEntryControls.Ia32eModeGuest))
            {
                s->Efer |= Bits;
            }
        }

        s->Cpl = (byte)s->Ss.PrivilegeLevel;
        ProcessorMode.Changed(s);
        if (_translationWritten)
        {
            _processor.StateLoaded();
            _translationWritten = false;
        }
    }

    /// <summary>Delivers the exit information of a failed entry (SDM Vol. 3C 27.8).</summary>
    private bool FailEntry(ExitReason reason, ulong qualification)
    {
        Begin(reason, qualification);
        _exit.EntryFailure = true;
        RecordExit();
        return false;
    }
}
