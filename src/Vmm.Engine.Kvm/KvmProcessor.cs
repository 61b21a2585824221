using System.Runtime.InteropServices;
using Vmm.Engine.Kvm.Interop;
using Vmm.Engine.Kvm.Interrupts;
using Vmm.Engine.Kvm.Processor;
using Vmm.Engine.Kvm.Vmx;

namespace Vmm.Engine.Kvm;

/// <summary>One logical processor: a virtual processor of KVM with the VMX instructions in front of it.</summary>
/// <remarks>Unsafe invariant: the shared page is mapped from construction to disposal, and kicks end before it goes.</remarks>
internal sealed unsafe partial class KvmProcessor : ILogicalProcessor, ICurrentVmcs
{
    private readonly KvmMachine _machine;
    private readonly KvmDescriptor _vcpu;
    private readonly KvmRun* _run;
    private readonly RunGate.Pass _pass;
    private readonly RegisterFile _registers;
    private readonly MsrAccess _msrs;
    private readonly GuestStateFields _guest;
    private readonly TimestampCounter _counter;
    private readonly TimestampSync _timestamp;
    private readonly VmEntryChecks _checks;
    private readonly KvmLocalApic? _apic;

    // Kicks and alarms come from other threads; after disposal there is no page that they could touch.
    private readonly Lock _gate = new();
    private readonly Timer _alarm;
    private int _kicked;
    private long _kickCount;
    private int _threadInside;
    private bool _attention;
    private bool _closed;

    public KvmProcessor(KvmMachine machine, int index)
    {
        KickSignal.Prepare();
        _machine = machine;
        _operation = new VmxOperation(machine.VmcsRegions, machine.Capabilities.PhysicalAddressBits, this);
        _vcpu = new KvmDescriptor(machine.Vm.Request(KvmRequest.CreateVcpu, index));
        nint page = LibC.Mmap(0, (nuint)machine.Device.RunSize, LibC.ProtRead | LibC.ProtWrite, LibC.MapShared, _vcpu.Number, 0);
        if (page == -1)
        {
            string reason = Marshal.GetLastPInvokeErrorMessage();
            _vcpu.Dispose();
            throw new KvmException($"The shared page of processor {index} cannot be mapped: {reason}.");
        }

        _run = (KvmRun*)page;
        _pass = machine.RunGate.Add(Interrupt);
        _registers = new RegisterFile(_vcpu, _run);
        _msrs = new MsrAccess(_vcpu);
        _guest = new GuestStateFields(_registers, _msrs);
        _checks = new VmEntryChecks(machine.Capabilities, static _ => ulong.MaxValue);
        _alarm = new Timer(static state => ((KvmProcessor)state!).Interrupt(), this, Timeout.Infinite, Timeout.Infinite);
        try
        {
            CpuidRehearsal.Set(_vcpu, [.. machine.Capabilities.Cpuid.Select(leaf => CpuidRehearsal.Entry(leaf.Leaf, leaf.Subleaf, With(machine.Interrupts, leaf)))]);
            _registers.Initialize();
            _apic = machine.Interrupts is { } chip ? new KvmLocalApic(_vcpu, _registers, _msrs, chip, machine.Clock, () => FollowTime(), () => _entryControlsStale = true) : null;
            SetTimestampFrequency();
            _counter = new TimestampCounter(_vcpu, _msrs, machine.TimestampControl);
            _timestamp = new TimestampSync(_counter, machine.Timestamps);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public IEngineLocalApic? LocalApic => _apic;

    public ref GuestRegisters Registers => ref _registers.General;

    public ulong Xcr0
    {
        get => _registers.Xcr0;
        set => _registers.Xcr0 = value;
    }

    public ulong Cr2
    {
        get => _registers.Special.Cr2;
        set => _registers.SpecialForWriting.Cr2 = value;
    }

    public ulong Cr8
    {
        get => _run->Cr8;
        set => _run->Cr8 = _taskPriority = value;
    }

    public ulong? TimestampCounter => _counter.Control == TimestampControl.None ? _counter.Value : null;

    /// <summary>Times that the time-stamp counter was set.</summary>
    public long TimestampSetCount => _timestamp.SetCount;

    /// <summary>VM exits delivered.</summary>
    public long ExitCount { get; private set; }

    /// <summary>Times that the host kernel was entered to run the guest.</summary>
    public long RunCount { get; private set; }

    /// <summary>Of these, the ones that came back because of <see cref="Interrupt"/>.</summary>
    public long InterruptedRunCount { get; private set; }

    /// <summary>Kicks asked for.</summary>
    public long KickCount => Interlocked.Read(ref _kickCount);

    public void Kick()
    {
        Interlocked.Increment(ref _kickCount);
        Volatile.Write(ref _kicked, 1);
        Interrupt();
    }

    /// <summary>Makes <c>KVM_RUN</c> return, or not begin: the run loop looks around. Callable from any thread.</summary>
    public void Interrupt()
    {
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            Volatile.Write(ref _attention, true);
            Volatile.Write(ref _run->ImmediateExit, 1);
            int thread = Volatile.Read(ref _threadInside);
            if (thread != 0 && thread != KickSignal.CurrentThread)
            {
                KickSignal.Send(thread);
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            _closed = true;
        }

        _alarm.Dispose();
        _ = LibC.Munmap((nint)_run, (nuint)_machine.Device.RunSize);
        _vcpu.Dispose();
    }

    // Until the kernel has said what CPUID shows, KVM's APIC may have the modes that it will announce.
    private static CpuidResult With(SplitIrqchip? chip, CpuidLeaf leaf)
    {
        const uint X2Apic = 1 << 21, TimestampDeadline = 1 << 24;
        uint modes = leaf.Leaf != 1 || chip is null ? 0 : X2Apic | (chip.HasTimestampDeadline ? TimestampDeadline : 0);
        return leaf.Result with { Ecx = leaf.Result.Ecx | modes };
    }

    // With scaling the counter runs as the time source says; without, as the host's does.
    private void SetTimestampFrequency()
    {
        if (_machine.Capabilities.TimestampFrequency is null)
        {
            _vcpu.Request(KvmRequest.SetTscKhz, (nint)(_machine.Clock.Frequency / 1000));
        }
    }
}
