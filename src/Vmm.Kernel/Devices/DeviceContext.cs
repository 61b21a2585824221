namespace Vmm.Kernel;

/// <summary>What a device gets from its VM. Made by <see cref="VirtualMachine.CreateDeviceContext"/> before the device is.</summary>
public sealed class DeviceContext : IDeviceContext
{
    private readonly Action<DeviceInstance, Action> _post;

    internal DeviceContext(VirtualMachine machine, DeviceInstance instance, IHostLog log, TimeProvider time, Action<DeviceInstance, Action> post)
    {
        _post = post;
        Instance = instance;
        Ports = new DevicePorts(machine.Ports, instance);
        Mmio = new DeviceMmio(machine.Mmio, instance);
        Interrupts = new DeviceInterrupts(machine.Interrupts, instance);
        Clock = new DeviceClock(machine.Clock, instance);
        Memory = machine.Memory;
        Log = new DeviceLog(new RateLimitedLog(log, instance.Name, time, burst: 64));
    }

    /// <inheritdoc/>
    public string Name => Instance.Name;

    /// <inheritdoc/>
    public IPortSpace Ports { get; }

    /// <inheritdoc/>
    public IMmioSpace Mmio { get; }

    /// <inheritdoc/>
    public IInterruptFabric Interrupts { get; }

    /// <inheritdoc/>
    public IVirtualClock Clock { get; }

    /// <inheritdoc/>
    public IGuestMemory Memory { get; }

    /// <inheritdoc/>
    public IDeviceLog Log { get; }

    internal DeviceInstance Instance { get; }

    /// <inheritdoc/>
    public void Post(Action work) => _post(Instance, work);

    private sealed class DevicePorts(PortSpace space, DeviceInstance owner) : IPortSpace
    {
        public IRegionClaim Claim(string name, ushort port, int length, AccessWidths widths, IPortDevice handler) =>
            space.Claim(owner, name, port, length, widths, handler);
    }

    private sealed class DeviceMmio(MmioSpace space, DeviceInstance owner) : IMmioSpace
    {
        public IRegionClaim Claim(string name, ulong address, ulong length, AccessWidths widths, IMmioDevice handler) =>
            space.Claim(owner, name, address, length, widths, handler);
    }

    private sealed class DeviceLog(RateLimitedLog log) : IDeviceLog
    {
        public void Write(DeviceLogLevel level, string message)
        {
            if (log.Admit())
            {
                log.Write(level, message);
            }
        }
    }
}
