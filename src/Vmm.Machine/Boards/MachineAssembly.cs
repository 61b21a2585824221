using Vmm.Kernel;
using Vmm.Kernel.Plugins;
using Vmm.Machine.Channels;
using Vmm.Machine.Configuration;
using Vmm.Machine.Firmware;
using Vmm.Machine.Pci;
using Vmm.Vmx;

namespace Vmm.Machine.Boards;

/// <summary>One machine while it is being built.</summary>
internal sealed class MachineAssembly(
    PluginHost plugins, IVmxEngine engine, IHostLog log, Func<ICharacterEndpoint>? standardStreams, MachineDescription description, MemoryLayout layout)
{
    private const string ConsoleChannel = "serial";
    private const int BridgeClass = 0x06;
    private static int _lastId;

    private readonly PluginScope _scope = plugins.OpenScope();
    private readonly List<(string Name, CharacterChannel Channel)> _channels = [];
    private readonly PciPlaces _places = new(description.Devices);
    private CpuPool? _pool;
    private VirtualMachine? _machine;
    private IShadowMemory _shadow = new PermanentRam();
    private FirmwareFiles _firmwareFiles = new([]);

    public AssembledMachine Complete(BootPlan boot)
    {
        plugins.LoadAhead(Contributions(description));
        IVcpuScheduler scheduler = Create<IVcpuScheduler>(ContributionKind.Scheduler, description.Scheduler, new Dictionary<Type, object>());
        int threads = Math.Min(description.ProcessorCount, Environment.ProcessorCount);
        _pool = new CpuPool(description.Name, threads, log, scheduler, description.Scheduler.Type);
        _firmwareFiles = new FirmwareFiles(boot.FirmwareFiles);
        _machine = NewMachine(_pool, NewMemory(boot.Rom.Span));
        PlugEverything(_machine);
        _machine.AttachDevices();
        _machine.Boot = boot.Execute;
        return new AssembledMachine(description, _machine, _scope, _pool, _channels);
    }

    /// <summary>Gives back what a failed build holds.</summary>
    public void Abandon()
    {
        _machine?.Dispose();
        _channels.ForEach(entry => entry.Channel.Dispose());
        _pool?.Dispose();
        _scope.DisposeAsync().AsTask().Wait();
    }

    // In the order in which they are created.
    private static (ContributionKind Kind, string Name)[] Contributions(MachineDescription machine) =>
    [
        (ContributionKind.Scheduler, machine.Scheduler.Type),
        .. machine.Devices.Select(device => (ContributionKind.Device, device.Type)),
        .. machine.Disks.SelectMany(disk => ((ContributionKind, string)[])[(ContributionKind.BlockBackend, disk.Format), (ContributionKind.Device, disk.Device)]),
        .. machine.Networks.SelectMany(network =>
            ((ContributionKind, string)[])[(ContributionKind.NetworkBackend, network.Backend), (ContributionKind.Device, network.Device)]),
        .. machine.ExitHandlers.Select(handler => (ContributionKind.ExitHandler, handler.Type)),
    ];

    private void PlugEverything(VirtualMachine machine)
    {
        foreach (DeviceDescription device in description.Devices)
        {
            Plug(machine, device, []);
        }

        foreach (DiskDescription disk in description.Disks)
        {
            PlugDisk(machine, disk);
        }

        foreach (NetworkDescription network in description.Networks)
        {
            PlugNetwork(machine, network);
        }

        foreach (ComponentDescription handler in description.ExitHandlers)
        {
            object instance = Create<object>(ContributionKind.ExitHandler, handler, Services(machine, machine.CreateDeviceContext(handler.Name)));
            machine.AddExitHandler(handler.Name, instance, plugins.Find(ContributionKind.ExitHandler, handler.Type));
        }
    }

    /// <summary>Creates a contribution; what a plugin refuses is told with the place in the configuration.</summary>
    private T Create<T>(ContributionKind kind, ComponentDescription component, IReadOnlyDictionary<Type, object> services)
        where T : class
    {
        try
        {
            return _scope.Create<T>(kind, component.Type, component.Options, services);
        }
        catch (PluginException e)
        {
            throw new MachineException($"{component.Options.Source}: {e.Message}", e);
        }
    }

    private GuestMemory NewMemory(ReadOnlySpan<byte> rom)
    {
        GuestMemory memory = new();
        memory.AddRam("low RAM", 0, MemoryLayout.VideoWindowStart);
        ulong start = MemoryLayout.VideoWindowEnd;
        if (!rom.IsEmpty)
        {
            GuestMemoryRegion region = memory.AddRom("firmware", MemoryLayout.DeviceHoleEnd - (ulong)rom.Length, rom);
            ulong shown = Math.Min(region.Length, MemoryLayout.FirmwareAreaEnd - MemoryLayout.FirmwareAreaStart);
            _shadow = memory.AddShadow("shadow RAM", start, MemoryLayout.FirmwareAreaEnd - start, region, shown);
            start = MemoryLayout.FirmwareAreaEnd;
        }

        memory.AddRam("RAM", start, layout.LowMemoryBytes - start);
        if (layout.HighMemoryBytes != 0)
        {
            memory.AddRam("high RAM", MemoryLayout.DeviceHoleEnd, layout.HighMemoryBytes);
        }

        return memory;
    }

    private VirtualMachine NewMachine(CpuPool pool, GuestMemory memory)
    {
        VirtualMachineOptions options = new()
        {
            Id = Interlocked.Increment(ref _lastId),
            Name = description.Name,
            ProcessorCount = description.ProcessorCount,
            NoReboot = description.NoReboot,
            OnFault = description.OnFault,
        };
        return new VirtualMachine(options, engine, pool, memory, log);
    }

    private void PlugDisk(VirtualMachine machine, DiskDescription disk)
    {
        (IOptionReader ofFormat, IOptionReader ofDevice) = new DiskOptions(plugins, disk).Split();
        IBlockBackend backend = Create<IBlockBackend>(ContributionKind.BlockBackend, new ComponentDescription(disk.Name, disk.Format, ofFormat), new Dictionary<Type, object>());
        machine.AddBackend(disk.Name, backend, plugins.Find(ContributionKind.BlockBackend, disk.Format));
        Plug(machine, new DeviceDescription(disk.Name, disk.Device, ofDevice), new Dictionary<Type, object> { [typeof(IBlockBackend)] = backend });
    }

    private void PlugNetwork(VirtualMachine machine, NetworkDescription network)
    {
        INetworkBackend backend = Create<INetworkBackend>(
            ContributionKind.NetworkBackend, new ComponentDescription(network.Name, network.Backend, network.BackendOptions), new Dictionary<Type, object>());
        Plug(machine, new DeviceDescription(network.Name, network.Device, network.DeviceOptions), new Dictionary<Type, object> { [typeof(INetworkBackend)] = backend });
    }

    private void Plug(VirtualMachine machine, DeviceDescription device, Dictionary<Type, object> more)
    {
        DeviceContext context = machine.CreateDeviceContext(device.Name);
        DeferredPciSlot slot = new(device.Name);
        Dictionary<Type, object> services = Services(machine, context);
        services[typeof(IPciSlot)] = slot;
        services[typeof(IPciConfigurationSpace)] = machine.Pci;
        services[typeof(ICharacterChannel)] = Connect(device, context);
        VirtioPciFunction transport = new(context);
        services[typeof(IVirtioTransport)] = transport;
        foreach ((Type type, object service) in more)
        {
            services[type] = service;
        }

        object instance = Create<object>(ContributionKind.Device, device, services);
        if (instance is IVirtioDevice virtio)
        {
            transport.Carry(virtio);
            instance = transport;
        }

        if (instance is IPciFunction function)
        {
            PciAddress address = _places.Take(device);
            bool hasPin = function.Identity.ClassCode >> 16 != BridgeClass;
            PciSlot place = machine.Pci.CreateSlot(address, context, hasPin ? PciLayout.InterruptPin : 0, PciLayout.Line(address.Device, 0));
            slot.Bind(place);
            transport.Plug(place);
        }

        machine.AddDevice(device.Name, device.Type, instance, context, plugins.Find(ContributionKind.Device, device.Type));
    }

    private Dictionary<Type, object> Services(VirtualMachine machine, DeviceContext context) => new()
    {
        [typeof(IDeviceContext)] = context,
        [typeof(IVirtualClock)] = context.Clock,
        [typeof(IGuestMemory)] = context.Memory,
        [typeof(IDeviceLog)] = context.Log,
        [typeof(IBoard)] = layout,
        [typeof(IPowerControl)] = machine.Power,
        [typeof(IAddressLine20)] = machine.A20,
        [typeof(IFloatingPointErrorPin)] = machine.FloatingPointErrors.PinFor(context),
        [typeof(IShadowMemory)] = _shadow,
        [typeof(IFirmwareFiles)] = _firmwareFiles,
    };

    private ICharacterChannel Connect(DeviceDescription device, DeviceContext context)
    {
        string target = device.Channel.Equals(ConsoleChannel, StringComparison.OrdinalIgnoreCase) ? description.Serial : device.Channel;
        if (target == "none")
        {
            return new NullChannel();
        }

        ICharacterEndpoint endpoint = target switch
        {
            "stdio" => standardStreams?.Invoke() ?? throw new MachineException($"'{device.Name}': there is no terminal for 'stdio'; use file:PATH or none."),
            _ when target.StartsWith("file:", StringComparison.OrdinalIgnoreCase) => new FileEndpoint(target[5..]),
            _ => throw new MachineException($"'{device.Name}': '{target}' is not a place for a serial line; use stdio, file:PATH or none."),
        };
        CharacterChannel channel = new(device.Name, endpoint, context.Post, message => context.Log.Write(DeviceLogLevel.Warning, message));
        _channels.Add((device.Name, channel));
        return channel;
    }
}
