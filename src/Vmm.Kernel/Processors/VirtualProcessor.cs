namespace Vmm.Kernel;

/// <summary>
/// One virtual processor: VMXON → VMCLEAR → VMPTRLD → VMLAUNCH → (exit → dispatch → VMRESUME)* → VMXOFF. Belongs to one
/// thread at a time; only the signals (see the Events part) come from anywhere.
/// </summary>
internal sealed partial class VirtualProcessor : IPooledProcessor, IVmExitSink, IVirtualProcessor, IApicProcessor, IDisposable
{
    private readonly IVmxMachine _vmx;
    private readonly ExitCounters _counters = new();
    private ExitDispatch _dispatch = null!;
    private VmxStage _stage;
    private ProcessorState? _stateToLoad;
    private volatile bool _yielding;
    private int _thread;
    private int _preemptionTimerShift;

    public VirtualProcessor(VirtualMachine machine, IVmxMachine vmx, int index)
    {
        Machine = machine;
        _vmx = vmx;
        Id = new VcpuId(machine.Options.Id, index);
        Logical = vmx.CreateProcessor(index);
        Vmcs = new VmcsAccess(Logical);
        Apic = new LocalApic((uint)index, this, machine.ApicBus, machine.Clock, $"{machine.Options.Name} processor {index}", TimestampFrequency);
        Msrs = new MsrFile(this);
    }

    public VcpuId Id { get; }

    public VirtualMachine Machine { get; }

    public ILogicalProcessor Logical { get; }

    /// <summary>Fields of the current VMCS, during exits and in <see cref="Run"/>.</summary>
    public VmcsAccess Vmcs { get; }

    public LocalApic Apic { get; }

    public MsrFile Msrs { get; }

    /// <summary>General registers, live during exits.</summary>
    public ref GuestRegisters Registers => ref Logical.Registers;

    /// <summary>The place in the CPU pool.</summary>
    public PoolMember Member { get; set; } = null!;

    public ExitCounters Counters => _counters;

    /// <summary>Power-up or reset. Only while no thread runs the processor.</summary>
    /// <param name="state">The state to start in; null for the reset vector, or for waiting for a start-up IPI.</param>
    public void PowerOn(ProcessorState? state)
    {
        _dispatch = Machine.Dispatch;
        Apic.PowerOn();
        Msrs.Reset();
        TimestampOffset = 0;
        ResetEvents();
        Machine.TimestampHandlers.Tell(this, TimestampChange.Reset);
        if (state is not null)
        {
            Apic.EnterVirtualWireMode(); // a boot protocol stands in for firmware
        }

        bool starts = state is not null || Id.Index == 0;
        _stateToLoad = state ?? PowerOnState.Create(Machine.Cpuid.Signature);
        _activity = starts ? ActivityState.Active : ActivityState.WaitForSipi;
        _idle = !starts;
        if (starts)
        {
            Member.Pool.Wake(Member);
        }
    }

    /// <inheritdoc/>
    public PooledRunResult Run(long quantumNanoseconds)
    {
        try
        {
            _thread = Environment.CurrentManagedThreadId;
            _idle = _yielding = false;
            Prepare();
            FollowTime();
            while (!_yielding)
            {
                if (!TryPrepareEntry(out PooledRunResult stopped))
                {
                    return stopped;
                }

                Vmcs[VmcsField.PreemptionTimerValue] = (ulong)quantumNanoseconds >> _preemptionTimerShift;
                bool launched = _stage == VmxStage.Launched;
                VmxResult entered = launched ? Logical.VmResume(this) : Logical.VmLaunch(this);
                _inGuest = false;
                VmcsAccess.Check(entered, launched ? "VMRESUME" : "VMLAUNCH");
                _stage = VmxStage.Launched;
            }

            return PooledRunResult.Runnable;
        }
        catch (Exception e)
        {
            _inGuest = false;
            Fail(e.Message);
            return PooledRunResult.Blocked;
        }
    }

    /// <inheritdoc/>
    public VmExitAction OnExit(ref VmExit exit)
    {
        int reason = (int)exit.Reason;
        long start = _counters.Enter(reason);
        VmExitAction action;
        try
        {
            action = _dispatch.Dispatch(this, ref exit);
            if (Volatile.Read(ref _pending) != 0)
            {
                action = Settle(action, ref exit);
            }
        }
        catch (Exception e)
        {
            // Nothing may be thrown through the engine.
            Fail($"the service of VM exit {exit.Reason} failed: {e.Message}");
            action = VmExitAction.Leave;
        }

        if (start != 0)
        {
            _counters.Leave(reason, start);
        }

        return action;
    }

    /// <summary>The VM ends with a fault.</summary>
    public void Fail(string what)
    {
        ulong rip = Logical.VmRead(VmcsField.GuestRip, out ulong value).IsSuccess ? value : 0;
        Machine.RequestEnd(new VmOutcome.Faulted($"Processor {Id.Index} of VM '{Machine.Options.Name}' at RIP 0x{rip:x}: {what}."));
    }

    /// <summary>The processor shut down: the machine resets, or ends.</summary>
    public void TripleFault() => Machine.RequestReset(new VmOutcome.TripleFault());

    public void Dispose()
    {
        Apic.Timer.Dispose();
        if (_stage != VmxStage.Off)
        {
            Logical.VmxOff();
        }

        Logical.Dispose();
    }

    /// <summary>Brings the processor into VMX operation once, and loads state that waits.</summary>
    private void Prepare()
    {
        if (_stage == VmxStage.Off)
        {
            VmxCapabilities capabilities = Machine.Engine.Capabilities;
            ulong vmcs = _vmx.AllocatePage().PhysicalAddress;
            VmcsAccess.Check(Logical.VmxOn(_vmx.AllocatePage().PhysicalAddress), "VMXON");
            VmcsAccess.Check(Logical.VmClear(vmcs), "VMCLEAR");
            VmcsAccess.Check(Logical.VmPtrLd(vmcs), "VMPTRLD");
            VmcsSetup.Write(Vmcs, capabilities, Machine.MsrBitmap.Address, Id.Index);
            _primaryControls = VmcsSetup.PrimaryControls(capabilities);
            _preemptionTimerShift = (int)(capabilities.Msrs[Msr.Ia32VmxMisc] & VmxMisc.PreemptionTimerShiftMask);
            _hasOwnCounter = Logical.TimestampCounter is not null;
            _stage = VmxStage.Clear;
        }

        UpdateMemoryMap();
        if (_stateToLoad is { } state)
        {
            _stateToLoad = null;
            Load(state);
        }
    }

    private enum VmxStage
    {
        Off,
        Clear,
        Launched,
    }
}
