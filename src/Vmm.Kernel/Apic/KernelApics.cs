namespace Vmm.Kernel;

/// <summary>The kernel's own local APICs: the registers stay where they are.</summary>
internal sealed class KernelApics(ApicBus bus) : ILocalApicProvider
{
    public IEngineInterrupts? Engine => null;

    public void Deliver(InterruptMessage message) => bus.Deliver(message);

    public void TakeUp(VirtualProcessor processor)
    {
    }

    public void GiveBack(VirtualProcessor processor)
    {
    }

    // Only what passed the local vector table, or came as a message, was signalled.
    public bool PassesNmi(VirtualProcessor processor) => true;
}
