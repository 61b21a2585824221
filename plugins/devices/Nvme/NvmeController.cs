using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>The life of the controller: enabling, reset and shutdown (NVMe 1.4, 7.3 and 7.6), saving and restoring.</summary>
internal sealed class NvmeController
{
    private readonly IDeviceContext _context;
    private readonly ControllerRegisters _registers;
    private readonly QueueSet _queues;
    private readonly FeatureSet _features;
    private readonly LogPages _logs;
    private readonly AsynchronousEvents _events = new();
    private readonly InterruptOutput _interrupts;
    private readonly IVirtualTimer _resume;
    private readonly List<(ushort Queue, NvmeCommand Command)> _restored = [];

    public NvmeController(
        IDeviceContext context,
        IPciSlot slot,
        IMessageInterrupts messages,
        IBlockBackend backend,
        ControllerRegisters registers,
        QueueSet queues,
        FeatureSet features,
        IdentifyData identify)
    {
        _context = context;
        _registers = registers;
        _queues = queues;
        _features = features;
        _logs = new LogPages(context.Clock, features);
        _interrupts = new InterruptOutput(slot.InterruptPin, messages, queues);
        _resume = context.Clock.CreateTimer("resume", Resume);
        var admin = new AdminCommands(context.Memory, messages, registers, queues, features, identify, _logs, _events);
        Commands = new CommandProcessor(
            context, slot, backend, registers, queues, features, _events, _logs, admin, _interrupts, stoppedOneEnded: EndDisable);
    }

    public CommandProcessor Commands { get; }

    /// <summary>Acts on CC.</summary>
    public void Configure(uint configuration)
    {
        bool wasEnabled = _registers.Enabled;
        _registers.Configuration = configuration;
        if (wasEnabled && !_registers.Enabled)
        {
            Disable();
        }
        else if (!wasEnabled && _registers.Enabled)
        {
            TryEnable();
        }

        if (_registers is { ShutdownRequested: true, Shutdown: ShutdownStatus.None })
        {
            _registers.Shutdown = ShutdownStatus.Occurring;
            Commands.Work.StartFlush();
        }
    }

    public void SetInterruptMask(uint mask)
    {
        _registers.InterruptMask = mask;
        _interrupts.UpdatePin(mask);
    }

    /// <summary>Power-on or reset of the machine: what the backend still does is forgotten.</summary>
    public void Reset()
    {
        Forget();
        _resume.Cancel();
        _features.Reset();
        _registers.ResetAll();
        _interrupts.UpdatePin(_registers.InterruptMask);
    }

    public void Save(IStateWriter state)
    {
        state.Section(2, _queues.Save);
        state.Section(3, _features.Save);
        state.Section(4, _events.Save);
        state.Section(5, _logs.Health.Save);
        state.UInt64(6, _logs.Errors.Count);

        // What the backend works on is started again after a restore: every command may be done twice.
        (ushort Queue, NvmeCommand Command)[] commands = [.. _restored, .. Commands.Work.PendingCommands];
        state.UInt32(7, (uint)commands.Length);
        state.Section(8, section => PendingCommands.Save(section, commands));
    }

    public void Restore(IStateReader state)
    {
        Forget();
        state.Section(2, _queues.Restore);
        state.Section(3, _features.Restore);
        state.Section(4, _events.Restore);
        state.Section(5, _logs.Health.Restore);
        _logs.Errors.Count = state.UInt64(6);
        uint count = state.UInt32(7);
        state.Section(8, section => PendingCommands.Restore(section, count, _queues, _restored));
        if (_registers.Ready && _queues.FindSubmission(0) is null)
        {
            throw new StateException("The controller is ready but has no admin queues.");
        }

        if (!_registers.Enabled)
        {
            // A reset was waiting for the backend, which has nothing to do for this controller any more.
            _registers.Ready = false;
        }

        _resume.Arm(_context.Clock.NowNanoseconds);
    }

    /// <summary>The machine runs again after a restore: goes on with what the saved controller had begun.</summary>
    private void Resume()
    {
        (ushort Queue, NvmeCommand Command)[] commands = [.. _restored];
        _restored.Clear();
        Commands.Resume(commands);
        if (_registers.Shutdown == ShutdownStatus.Occurring)
        {
            Commands.Work.StartFlush();
        }

        _interrupts.UpdatePin(_registers.InterruptMask);
    }

    private void TryEnable()
    {
        if (_registers.Resetting)
        {
            // The end of the reset comes back here.
            return;
        }

        if (!_registers.CanEnable)
        {
            _registers.Fatal = true;
            return;
        }

        _queues.CreateAdmin(
            _registers.AdminSubmission, _registers.AdminSubmissionSize, _registers.AdminCompletion, _registers.AdminCompletionSize);
        _registers.Ready = true;
    }

    private void Disable()
    {
        StopCommands();
        _features.Reset();
        _registers.ResetController();
        _interrupts.UpdatePin(_registers.InterruptMask);
        _registers.Resetting = true;
        EndDisable();
    }

    /// <summary>CSTS.RDY stays until nothing touches guest memory any more (7.3.2).</summary>
    private void EndDisable()
    {
        if (_registers.Resetting && Commands.Work.Pending == 0)
        {
            _registers.Resetting = false;
            _registers.Ready = false;
            if (_registers.Enabled)
            {
                TryEnable();
            }
        }
    }

    private void StopCommands()
    {
        Commands.Work.Stop();
        _queues.Clear();
        _events.Reset();
        _restored.Clear();
    }

    private void Forget()
    {
        StopCommands();
        Commands.Work.Forget();
        _registers.Resetting = false;
    }
}
