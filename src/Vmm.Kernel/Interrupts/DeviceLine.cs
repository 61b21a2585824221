namespace Vmm.Kernel;

/// <summary>A line as one device drives it: a faulted one lets go of it, as an empty slot does.</summary>
internal sealed class DeviceLine : IExclusiveInterruptLine
{
    private readonly IExclusiveInterruptLine _wire;
    private readonly DeviceInstance _owner;

    public DeviceLine(IExclusiveInterruptLine wire, DeviceInstance owner)
    {
        _wire = wire;
        _owner = owner;
        owner.Silenced += () =>
        {
            wire.Exclusive = false;
            wire.Set(false);
        };
    }

    public bool Exclusive
    {
        get => _wire.Exclusive;
        set => _wire.Exclusive = value && !_owner.Faulted;
    }

    public void Set(bool asserted) => _wire.Set(asserted && !_owner.Faulted);
}
