namespace Vmm.Kernel;

/// <summary>A register whose writes are notifications, which an engine may take without an exit. Follows the claim that it is in.</summary>
internal sealed class WriteNotification(IEngineInterrupts engine, ulong offset, AccessWidth width, Action written)
{
    private IDisposable? _listening;

    /// <summary>The claim shows at an address now, or nowhere. Called with the claim's space locked.</summary>
    public void Follow(ulong? first)
    {
        _listening?.Dispose();
        _listening = first is { } address ? engine.Listen(address + offset, (int)width, written) : null;
    }
}
