using System.Collections.Concurrent;

namespace Vmm.Kernel.Tests;

/// <summary>An engine without a guest: tests script the exits.</summary>
internal sealed class FakeEngine : ILocalApicEngine
{
    /// <summary>Whether the engine has local APICs of its own.</summary>
    public bool OffersLocalApics { get; init; }

    public List<FakeMachine> Machines { get; } = [];

    /// <summary>Called while a machine with local APICs is made.</summary>
    public Action OnCreate { get; set; } = () => { };

    public string Name => "fake";

    public VmxCapabilities Capabilities { get; } = new()
    {
        PhysicalAddressBits = 40,
        Cpuid =
        [
            new CpuidLeaf(0, null, new CpuidResult(0xD, 0x756E_6547, 0x6C65_746E, 0x4965_6E69)),
            new CpuidLeaf(1, null, new CpuidResult(0x0006_0FB1, 0x0000_0800, 1 << 5, 1)),
            new CpuidLeaf(0xD, 0, new CpuidResult(7, 576, 832, 0)),
            new CpuidLeaf(0xD, 2, new CpuidResult(256, 576, 0, 0)),
        ],
        Msrs = new VmxCapabilityMsrs
        {
            Revision = 1,
            PinBased = (PinBasedControls)uint.MaxValue,
            Primary = (PrimaryProcessorBasedControls)uint.MaxValue,
            Secondary = (SecondaryProcessorBasedControls)uint.MaxValue,
            Exit = (VmExitControls)uint.MaxValue,
            Entry = (VmEntryControls)uint.MaxValue,
            Cr4 = (Cr4Bits)0x7F_FFFF,
            EptVpid = EptVpidCapabilities.WalkLength4 | EptVpidCapabilities.WriteBack | EptVpidCapabilities.Pages2M | EptVpidCapabilities.Pages1G,
        }.Build(),
    };

    public IVmxMachine CreateMachine(IPhysicalMemory memory, ITimeSource clock) => Add(new FakeMachine());

    public IVmxMachine CreateMachineWithLocalApics(IPhysicalMemory memory, ITimeSource clock)
    {
        OnCreate();
        return Add(new FakeMachine { Interrupts = new FakeInterrupts() });
    }

    private FakeMachine Add(FakeMachine machine)
    {
        Machines.Add(machine);
        return machine;
    }
}

internal sealed class FakeMachine : IVmxMachine
{
    private ulong _next = 1UL << 39;

    public FakeInterrupts? Interrupts { get; init; }

    IEngineInterrupts? IVmxMachine.Interrupts => Interrupts;

    public List<FakeProcessor> Processors { get; } = [];

    public Dictionary<ulong, Memory<byte>> Pages { get; } = [];

    public IReadOnlyDictionary<string, long> Counters { get; } = new Dictionary<string, long>();

    public ILogicalProcessor CreateProcessor(int index)
    {
        var processor = new FakeProcessor { LocalApic = Interrupts is null ? null : new FakeLocalApic() };
        Processors.Add(processor);
        return processor;
    }

    public HostPage AllocatePage()
    {
        lock (Pages)
        {
            var page = new HostPage(_next += 4096, new byte[4096]);
            Pages.Add(page.PhysicalAddress, page.Memory);
            return page;
        }
    }

    public void Dispose()
    {
    }
}

/// <summary>
/// A logical processor that delivers scripted exits. Without one it waits for a kick, as a guest in an endless loop does.
/// </summary>
internal sealed class FakeProcessor : ILogicalProcessor
{
    private readonly Dictionary<VmcsField, ulong> _fields = [];
    private readonly BlockingCollection<ScriptedExit?> _script = [];
    private GuestRegisters _registers;
    private int _kicked;
    private bool _vmxOn, _current, _launched;

    public List<string> Instructions { get; } = [];

    public ProcessorState? Loaded { get; private set; }

    public FakeLocalApic? LocalApic { get; init; }

    /// <summary>Whether an NMI waits in the engine.</summary>
    public bool HoldsNmi { get; set; }

    IEngineLocalApic? ILogicalProcessor.LocalApic => LocalApic;

    public ref GuestRegisters Registers => ref _registers;

    public ulong Xcr0 { get; set; }

    public ulong Cr2 { get; set; }

    public ulong Cr8 { get; set; }

    public ulong this[VmcsField field]
    {
        get => _fields.GetValueOrDefault(field);
        set => _fields[field] = value;
    }

    /// <summary>Queues an exit and returns it; its task completes when it was handled.</summary>
    public ScriptedExit Exit(VmExit exit)
    {
        var scripted = new ScriptedExit(exit);
        _script.Add(scripted);
        return scripted;
    }

    /// <summary>Queues an exit and waits for its end.</summary>
    public ScriptedExit RunExit(VmExit exit)
    {
        ScriptedExit scripted = Exit(exit);
        Assert.True(scripted.Handled.Wait(TimeSpan.FromSeconds(20)), "The exit was not handled in time.");
        return scripted;
    }

    public VmxResult VmxOn(ulong region) => Note("VMXON", ref _vmxOn, true);

    public VmxResult VmxOff() => Note("VMXOFF", ref _vmxOn, false);

    public VmxResult VmClear(ulong vmcs)
    {
        _launched = false;
        return Note("VMCLEAR", ref _current, false);
    }

    public VmxResult VmPtrLd(ulong vmcs) => Note("VMPTRLD", ref _current, true);

    public VmxResult VmRead(VmcsField field, out ulong value)
    {
        value = this[field];
        return _current ? VmxResult.Succeed : VmxResult.FailInvalid;
    }

    public VmxResult VmWrite(VmcsField field, ulong value)
    {
        this[field] = value;
        return _current ? VmxResult.Succeed : VmxResult.FailInvalid;
    }

    public VmxResult VmLaunch(IVmExitSink sink)
    {
        if (_launched)
        {
            return VmxResult.FailValid(VmInstructionError.VmlaunchNonClearVmcs);
        }

        Instructions.Add("VMLAUNCH");
        _launched = true;
        return Guest(sink);
    }

    public VmxResult VmResume(IVmExitSink sink)
    {
        if (!_launched)
        {
            return VmxResult.FailValid(VmInstructionError.VmresumeNonLaunchedVmcs);
        }

        Instructions.Add("VMRESUME");
        return Guest(sink);
    }

    public void Kick()
    {
        if (Interlocked.Exchange(ref _kicked, 1) == 0)
        {
            _script.Add(null);
        }
    }

    public void SaveState(ProcessorState state)
    {
        state.Rip = this[VmcsField.GuestRip];
        state.Cr0 = this[VmcsField.GuestCr0];
        state.Cr4 = this[VmcsField.GuestCr4];
        state.NmiPending = HoldsNmi;
    }

    public void LoadState(ProcessorState state)
    {
        Loaded = state;
        this[VmcsField.GuestRip] = state.Rip;
        this[VmcsField.GuestRflags] = state.Rflags;
        this[VmcsField.GuestCr0] = state.Cr0;
        this[VmcsField.GuestCr4] = state.Cr4;
        this[VmcsField.GuestInterruptibilityState] = state.Interruptibility;
    }

    public void Dispose()
    {
    }

    private VmxResult Guest(IVmExitSink sink)
    {
        while (true)
        {
            ScriptedExit? scripted = _script.Take();
            VmExit exit = scripted?.Exit ?? new VmExit { Reason = ExitReason.ExternalInterrupt };
            if (scripted is null)
            {
                Volatile.Write(ref _kicked, 0);
            }

            // What entered with the last entry is delivered by now.
            ulong injected = this[VmcsField.EntryInterruptionInformation];
            this[VmcsField.EntryInterruptionInformation] = injected & 0x7FFF_FFFF;
            VmExitAction action = sink.OnExit(ref exit);
            scripted?.Complete(exit, action, (uint)this[VmcsField.EntryInterruptionInformation]);
            if (action == VmExitAction.NextInstruction)
            {
                this[VmcsField.GuestRip] += exit.InstructionLength;
            }

            if (action == VmExitAction.Leave)
            {
                return VmxResult.Succeed;
            }
        }
    }

    private VmxResult Note(string instruction, ref bool state, bool value)
    {
        Instructions.Add(instruction);
        state = value;
        return VmxResult.Succeed;
    }
}

/// <summary>An exit that a test made up, and what became of it.</summary>
internal sealed class ScriptedExit(VmExit exit)
{
    private readonly TaskCompletionSource _handled = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public VmExit Exit { get; private set; } = exit;

    public VmExitAction Action { get; private set; }

    public InterruptionInformation Injected { get; private set; }

    public Task Handled => _handled.Task;

    public void Complete(VmExit exit, VmExitAction action, uint injected)
    {
        Exit = exit;
        Action = action;
        Injected = new InterruptionInformation(injected);
        _handled.SetResult();
    }
}
