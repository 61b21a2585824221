using Vmm.Sdk;

namespace Vmm.Plugins.IsaDebugExit;

/// <summary>Options of the device.</summary>
public sealed class IsaDebugExitOptions
{
    /// <summary>First port.</summary>
    [OptionDescription("First I/O port")]
    public ushort Port { get; init; } = 0xf4;

    /// <summary>Number of ports.</summary>
    [OptionRange(1, 4)]
    [OptionDescription("Number of ports: 1, 2 or 4")]
    public int Size { get; init; } = 4;
}

/// <summary>
/// Ends the VM: a write of <c>v</c> gives the exit status <c>(v &lt;&lt; 1) | 1</c>, which is never the 0 of an
/// ordinary power-off. For test guests.
/// </summary>
[DeviceModel("isa-debug-exit", Description = "A write of v ends the VM with status (v << 1) | 1", State = StateSupport.None)]
public sealed class IsaDebugExitDevice(IsaDebugExitOptions options, IDeviceContext context, IPowerControl power) : DeviceModel, IPortDevice
{
    public override void Attach() => context.Ports.Claim("debug-exit", options.Port, options.Size, AccessWidths.AnyPort, this);

    public ulong Read(uint offset, AccessWidth width) => 0;

    public void Write(uint offset, AccessWidth width, ulong value) => power.Exit((int)(((value << 1) | 1) & 0xff));
}
