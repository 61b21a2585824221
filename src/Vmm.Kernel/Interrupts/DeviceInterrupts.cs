namespace Vmm.Kernel;

/// <summary>The interrupt fabric as one device sees it.</summary>
internal sealed class DeviceInterrupts(InterruptFabric fabric, DeviceInstance owner) : IInterruptFabric
{
    private IInterruptLine? _external;
    private IInterruptLine? _nonMaskable;

    public IInterruptLine ExternalInterrupt => _external ??= fabric.ExternalInterrupt.AddSource();

    public IInterruptLine NonMaskableInterrupt => _nonMaskable ??= fabric.NonMaskableInterrupt.AddSource();

    public IInterruptLine Line(string name, int line) => fabric.Line(line);

    public IExclusiveInterruptLine ExclusiveLine(string name, int line) => fabric.Line(line);

    public void SendMessage(ulong address, uint data) => fabric.SendMessage(address, data);

    public void AttachController(IInterruptController controller) => fabric.Attach(owner, controller);
}
