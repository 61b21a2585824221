namespace Vmm.Kernel;

/// <summary>The interrupt fabric as one device sees it.</summary>
internal sealed class DeviceInterrupts(InterruptFabric fabric, DeviceInstance owner) : IInterruptFabric
{
    private IInterruptLine? _external;
    private IInterruptLine? _nonMaskable;

    public IInterruptLine ExternalInterrupt => _external ??= new DeviceLine(fabric.ExternalInterrupt.AddSource(owner.Name), owner);

    public IInterruptLine NonMaskableInterrupt => _nonMaskable ??= new DeviceLine(fabric.NonMaskableInterrupt.AddSource(owner.Name), owner);

    public IInterruptLine Line(string name, int line) => ExclusiveLine(name, line);

    public IExclusiveInterruptLine ExclusiveLine(string name, int line) => new DeviceLine(fabric.Line(line, $"{owner.Name}/{name}"), owner);

    public void SendMessage(ulong address, uint data)
    {
        if (!owner.Faulted)
        {
            fabric.SendMessage(address, data);
        }
    }

    public void AttachController(IInterruptController controller) => fabric.Attach(owner, controller);
}
