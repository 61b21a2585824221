using Vmm.Kernel.Plugins;

namespace Vmm.Kernel;

/// <summary>
/// One virtual machine: memory, spaces, interrupts, clock, devices and processors, and its life from
/// <see cref="Start"/> to <see cref="Completion"/>. Two machines share nothing mutable but, if wanted, a CPU pool.
/// </summary>
public sealed partial class VirtualMachine : IDisposable
{
    private readonly IHostLog _log;
    private readonly TimeProvider _time;
    private readonly EventLoop _events;
    private readonly IVmxMachine _machine;
    private readonly List<DeviceInstance> _devices = [];
    private readonly List<StatePart> _parts = [];
    private readonly AddressLine20 _addressLine20;
    private readonly PowerControl _power;

    /// <summary>Makes a VM with its processors; devices and exit handlers are added before <see cref="Start"/>.</summary>
    /// <param name="options">What it is.</param>
    /// <param name="engine">What runs the guest.</param>
    /// <param name="pool">The host threads that run its processors.</param>
    /// <param name="memory">Its memory, disposed of with the VM.</param>
    /// <param name="log">Where messages go.</param>
    /// <param name="time">Host time; <see cref="TimeProvider.System"/> unless a test says otherwise.</param>
    public VirtualMachine(VirtualMachineOptions options, IVmxEngine engine, CpuPool pool, GuestMemory memory, IHostLog log, TimeProvider? time = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.ProcessorCount, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.ProcessorCount, 255);
        Options = options;
        Engine = engine;
        Memory = memory;
        _pool = pool;
        _log = log;
        _time = time ?? TimeProvider.System;
        _guestLog = new RateLimitedLog(log, options.Name, _time);
        _msrLog = new RateLimitedLog(log, options.Name, _time);
        Clock = new VirtualClock(_time);
        Ports = new PortSpace(log, options.Name, _time);
        Mmio = new MmioSpace(log, options.Name, _time);
        Exits = new ExitHandlers(log);
        Interrupts = new InterruptFabric();
        ApicBus = new ApicBus(Interrupts);
        Pci = new PciBus(this);
        _addressLine20 = new AddressLine20(MemoryMapChanged);
        _power = new PowerControl(this);
        _events = new EventLoop(
            options.Name, Clock, e => RequestEnd(new VmOutcome.Faulted($"The event thread of VM '{options.Name}' failed: {e.Message}")));
        lock (pool.Joining)
        {
            _machine = CreateMachine(engine, pool);
            Apics = _machine.Interrupts is { } interrupts ? new EngineApics(interrupts, Interrupts, ApicBus) : new KernelApics(ApicBus);
            BuildProcessors();
        }
    }

    /// <summary>What the VM was told at its creation.</summary>
    public VirtualMachineOptions Options { get; }

    /// <summary>What runs the guest.</summary>
    public IVmxEngine Engine { get; }

    /// <summary>Guest memory.</summary>
    public GuestMemory Memory { get; }

    /// <summary>I/O ports.</summary>
    public PortSpace Ports { get; }

    /// <summary>Memory-mapped registers.</summary>
    public MmioSpace Mmio { get; }

    /// <summary>Interrupt wires.</summary>
    public InterruptFabric Interrupts { get; }

    /// <summary>Virtual time.</summary>
    public VirtualClock Clock { get; }

    /// <summary>PCI functions.</summary>
    public PciBus Pci { get; }

    /// <summary>The exit handlers.</summary>
    public ExitHandlers Exits { get; }

    /// <summary>Power and reset: for devices that have such registers.</summary>
    public IPowerControl Power => _power;

    /// <summary>The A20 gate.</summary>
    public IAddressLine20 A20 => _addressLine20;

    /// <summary>x87 errors on their way to an interrupt.</summary>
    public FloatingPointErrors FloatingPointErrors { get; } = new();

    /// <summary>
    /// Puts the guest's software in memory and the boot state in the processors. Called at <see cref="Start"/> and after
    /// each guest reset, with the VM quiesced and devices reset.
    /// </summary>
    public Action<VirtualMachine>? Boot { get; set; }

    /// <summary>Counters; callable while the VM runs.</summary>
    public VirtualMachineStatistics Statistics => CollectStatistics();

    /// <summary>Makes what a device's constructor asks for.</summary>
    /// <param name="name">Name of the instance in the configuration.</param>
    public DeviceContext CreateDeviceContext(string name)
    {
        var instance = new DeviceInstance(name, DeviceFaulted);
        return new DeviceContext(this, instance, _log, _time, _events.Post);
    }

    /// <summary>Adds a device that was constructed with a context of this VM.</summary>
    /// <param name="name">Name of the instance in the configuration.</param>
    /// <param name="type">The device type.</param>
    /// <param name="device">The device.</param>
    /// <param name="context">Its context.</param>
    /// <param name="contribution">What its plugin declares; null for a device of no plugin.</param>
    public void AddDevice(string name, string type, object device, DeviceContext context, ContributionDescription? contribution = null)
    {
        if (device is not IDevice)
        {
            throw new ArgumentException($"Device '{name}' ({type}) does not implement {nameof(IDevice)}.", nameof(device));
        }

        DeviceInstance instance = context.Instance;
        instance.Type = type;
        instance.Device = device;
        _devices.Add(instance);
        _parts.Add(new StatePart($"device/{name}", type, device, instance, contribution));
    }

    /// <summary>Attaches every device, in the order in which they were added, and resets them.</summary>
    /// <exception cref="DeviceConfigurationException">A device refuses.</exception>
    /// <exception cref="ResourceConflictException">Claims collide; all collisions at once.</exception>
    public void AttachDevices()
    {
        foreach (DeviceInstance instance in _devices)
        {
            try
            {
                lock (instance.Gate)
                {
                    AttachDevice(instance);
                }
            }
            catch (Exception e)
            {
                throw new DeviceConfigurationException($"Device {instance} cannot be attached: {e.Message}", e);
            }
        }

        ResourceConflict[] conflicts = [.. Ports.TakeConflicts(), .. Mmio.TakeConflicts(), .. MemoryConflicts()];
        if (conflicts.Length > 0)
        {
            throw new ResourceConflictException(conflicts);
        }

        ResetDevices(ResetKind.PowerOn);
    }

    /// <summary>Adds an exit handler; earlier ones are called first.</summary>
    /// <param name="name">Its configured name.</param>
    /// <param name="handler">One or more of the handler contracts.</param>
    /// <param name="contribution">What its plugin declares; null for a handler of no plugin.</param>
    public void AddExitHandler(string name, object handler, ContributionDescription? contribution = null)
    {
        Exits.Add(name, handler);
        _parts.Add(new StatePart($"exit-handler/{name}", contribution?.Name ?? name, handler, null, contribution));
    }

    /// <summary>Tells of a storage backend that a device uses, which may have state of its own.</summary>
    /// <param name="name">Name of the disk.</param>
    /// <param name="backend">The backend.</param>
    /// <param name="contribution">What its plugin declares; null for a backend of no plugin.</param>
    public void AddBackend(string name, IBlockBackend backend, ContributionDescription? contribution = null) =>
        _parts.Add(new StatePart($"disk/{name}", contribution?.Name ?? name, backend, null, contribution));

    private void AttachDevice(DeviceInstance instance)
    {
        if (instance.Device is IPciFunction function)
        {
            PciSlot slot = Pci.Slots.FirstOrDefault(s => s.Owner == instance)
                ?? throw new InvalidOperationException("it is a PCI function but has no PCI slot.");
            bool multifunction = Pci.Slots.Any(s => s.Address.Bus == slot.Address.Bus && s.Address.Device == slot.Address.Device && s != slot);
            slot.SetIdentity(function.Identity, multifunction);
        }

        ((IDevice)instance.Device!).Attach();
    }

    private void ResetDevices(ResetKind kind)
    {
        Pci.Reset();
        foreach (DeviceInstance instance in _devices)
        {
            instance.Run($"reset ({kind})", () => ((IDevice)instance.Device!).Reset(kind));
        }
    }

    private IEnumerable<ResourceConflict> MemoryConflicts() =>
        from claim in Mmio.Claims
        from region in Memory.Map
        where region.Kind != GuestMemoryKind.Rom && claim.First < region.End && region.Address <= claim.Last
        select new ResourceConflict("memory", $"memory region '{region.Name}' at 0x{region.Address:x}-0x{region.End - 1:x}", claim.Describe("address"));

    private void DeviceFaulted(DeviceInstance device, string what, Exception exception)
    {
        string message = $"Device {device} failed in {what}: {exception.GetType().Name}: {exception.Message}";
        string consequence = Options.OnFault switch
        {
            FaultPolicy.Stop => "The VM stops.",
            FaultPolicy.Pause => "The VM pauses.",
            _ => "It answers nothing from now on.",
        };
        _log.Write(DeviceLogLevel.Error, Options.Name, $"{message} {consequence}");
        if (exception.StackTrace is { } trace)
        {
            _log.Write(DeviceLogLevel.Debug, Options.Name, trace);
        }

        switch (Options.OnFault)
        {
            case FaultPolicy.Stop:
                RequestEnd(new VmOutcome.Faulted(message));
                break;
            case FaultPolicy.Pause:
                RequestPause();
                break;
        }
    }
}
