namespace Vmm.Kernel;

/// <summary>Power and reset as devices request them.</summary>
internal sealed class PowerControl(VirtualMachine machine) : IPowerControl
{
    public void PowerOff() => machine.RequestEnd(new VmOutcome.PoweredOff());

    public void Reset() => machine.RequestReset(new VmOutcome.Reset());

    public void Exit(int status) => machine.RequestEnd(new VmOutcome.Exit(status & 0xFF));
}
