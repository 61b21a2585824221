namespace Vmm.Kernel;

/// <summary>What a queue needs of the device that it belongs to.</summary>
internal interface IVirtqueueOwner
{
    /// <summary>Whether the guest allows the device to access memory.</summary>
    bool MayAccessMemory { get; }

    /// <summary>The driver wants to know of used chains.</summary>
    void SignalUsed(int queue);

    /// <summary>The driver broke a rule of the rings; the queue has stopped by itself.</summary>
    void RequireReset(string reason);
}
