namespace Vmm.Kernel;

// The life of a VM: created → running ⇄ paused → stopped. Every transition is quiesced: processors out of their guests,
// no callback running, device gates free.
public sealed partial class VirtualMachine
{
    private readonly TaskCompletionSource<VmOutcome> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CpuPool _pool;
    private readonly Lock _transition = new();
    private readonly ProcessorState?[] _bootStates = new ProcessorState?[255];
    private VirtualProcessor[] _processors = [];
    private volatile VirtualMachineState _state;
    private int _ending;
    private int _resetting;

    /// <summary>Where the VM is in its life.</summary>
    public VirtualMachineState State => _state;

    /// <summary>Completes when the VM has ended and everything is quiet.</summary>
    public Task<VmOutcome> Completion => _completion.Task;

    /// <summary>Sets the state in which a processor starts. Legal before <see cref="Start"/> and in <see cref="Boot"/>.</summary>
    /// <param name="index">Number of the processor.</param>
    /// <param name="state">Its state.</param>
    public void SetProcessorState(int index, ProcessorState state)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Options.ProcessorCount, nameof(index));
        if (_state == VirtualMachineState.Running && _resetting == 0)
        {
            throw new InvalidOperationException("Processor state can be set only while the VM does not run.");
        }

        _bootStates[index] = state;
    }

    /// <summary>Copies a processor's state out, as the guest sees it. The VM must not run.</summary>
    /// <param name="index">Number of the processor.</param>
    public ProcessorState GetProcessorState(int index)
    {
        lock (_transition)
        {
            if (_state == VirtualMachineState.Running)
            {
                throw new InvalidOperationException("Processor state can be read only while the VM does not run.");
            }

            return _processors[index].Save();
        }
    }

    /// <summary>Starts the guest. Devices must be attached.</summary>
    public void Start()
    {
        lock (_transition)
        {
            Require(VirtualMachineState.Created);
            BuildTables();
            PowerOnProcessors();
            Go();
        }
    }

    /// <summary>Quiesces the VM; time stands still for it.</summary>
    public void Pause()
    {
        lock (_transition)
        {
            if (_state == VirtualMachineState.Running)
            {
                Quiesce();
                _state = VirtualMachineState.Paused;
            }
        }
    }

    /// <summary>Goes on after <see cref="Pause"/>.</summary>
    public void Resume()
    {
        lock (_transition)
        {
            if (_state == VirtualMachineState.Paused)
            {
                Go();
            }
        }
    }

    /// <summary>Ends the VM from outside.</summary>
    public void Stop()
    {
        if (Interlocked.Exchange(ref _ending, 1) == 0)
        {
            End(new VmOutcome.Stopped());
        }
    }

    /// <summary>Stops the VM if it runs, and gives back everything it holds.</summary>
    public void Dispose()
    {
        Stop();
        Completion.Wait();
        foreach (VirtualProcessor processor in _processors)
        {
            processor.Dispose();
        }

        _machine.Dispose();
        Memory.Dispose();
    }

    /// <summary>Ends the VM soon. Callable from any thread; processors stop before their next instruction.</summary>
    internal void RequestEnd(VmOutcome outcome)
    {
        if (Interlocked.Exchange(ref _ending, 1) == 0)
        {
            ParkSoon();
            Task.Run(() => End(outcome));
        }
    }

    /// <summary>Resets the machine, or ends it where a reset does.</summary>
    internal void RequestReset(VmOutcome outcome)
    {
        if (Options.NoReboot)
        {
            RequestEnd(outcome);
        }
        else if (Interlocked.Exchange(ref _resetting, 1) == 0)
        {
            ParkSoon();
            Task.Run(ResetMachine);
        }
    }

    private void RequestPause()
    {
        ParkSoon();
        Task.Run(Pause);
    }

    private void ParkSoon()
    {
        foreach (VirtualProcessor processor in _processors)
        {
            _pool.RequestPark(processor.Member);
        }
    }

    private void End(VmOutcome outcome)
    {
        lock (_transition)
        {
            Quiesce();
            _state = VirtualMachineState.Stopped;
            foreach (VirtualProcessor processor in _processors)
            {
                _pool.Remove(processor.Member);
            }

            _events.Dispose();
        }

        _completion.TrySetResult(outcome);
    }

    private void ResetMachine()
    {
        try
        {
            lock (_transition)
            {
                ResetIfRequested();
            }
        }
        catch (Exception e)
        {
            RequestEnd(new VmOutcome.Faulted($"The reset of VM '{Options.Name}' failed: {e.Message}"));
        }
    }

    private void ResetIfRequested()
    {
        if (_state == VirtualMachineState.Stopped || Volatile.Read(ref _resetting) == 0)
        {
            return;
        }

        Quiesce();
        ResetDevices(ResetKind.System);
        _addressLine20.Enabled = true;
        PowerOnProcessors();
        Volatile.Write(ref _resetting, 0);
        if (_state == VirtualMachineState.Running)
        {
            Go();
        }
    }

    private void PowerOnProcessors()
    {
        if (Boot is not null)
        {
            Array.Clear(_bootStates);
            Boot(this);
        }

        ApicBus.ExternalInterruptTarget = null;
        foreach (VirtualProcessor processor in _processors)
        {
            processor.PowerOn(_bootStates[processor.Id.Index]);
        }
    }

    private void Quiesce()
    {
        foreach (VirtualProcessor processor in _processors)
        {
            _pool.Park(processor.Member);
        }

        _events.Pause();
        Clock.Stop();
        Interrupts.IsQuiet = true;
        Array.ForEach(_processors, Apics.GiveBack);
    }

    private void Go()
    {
        _state = VirtualMachineState.Running;
        Clock.Start();
        Array.ForEach(_processors, Apics.TakeUp);
        Interrupts.IsQuiet = false;
        _events.Resume();
        foreach (VirtualProcessor processor in _processors)
        {
            _pool.Unpark(processor.Member);
        }
    }

    private void Require(VirtualMachineState state)
    {
        if (_state != state)
        {
            throw new InvalidOperationException($"VM '{Options.Name}' is {_state}, not {state}.");
        }
    }
}
