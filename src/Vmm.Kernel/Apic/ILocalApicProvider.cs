namespace Vmm.Kernel;

/// <summary>
/// Who models the local APICs of a VM. The registers are in <see cref="LocalApic"/> whenever the VM is quiet, and with the
/// provider while it runs. Chosen once, when the VM is made.
/// </summary>
internal interface ILocalApicProvider
{
    /// <summary>The engine's way past exits, for devices; null where messages are delivered here.</summary>
    IEngineInterrupts? Engine { get; }

    /// <summary>Delivers a message from outside. Callable from any thread.</summary>
    void Deliver(InterruptMessage message);

    /// <summary>The VM is about to run. Before any device does anything.</summary>
    void TakeUp(VirtualProcessor processor);

    /// <summary>The VM is quiet. May be called again.</summary>
    void GiveBack(VirtualProcessor processor);

    /// <summary>Whether an NMI that was signalled reaches the core.</summary>
    bool PassesNmi(VirtualProcessor processor);
}
