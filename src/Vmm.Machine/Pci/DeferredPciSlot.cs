namespace Vmm.Machine.Pci;

/// <summary>
/// The slot that a device's constructor may ask for before anybody knows whether the device is a PCI function: it
/// becomes a real one when the device turns out to be, so that nothing must be said about that in a machine file.
/// </summary>
internal sealed class DeferredPciSlot(string device) : IPciSlot
{
    private IPciSlot? _slot;

    public PciAddress Address => Slot.Address;

    public bool BusMasterEnabled => Slot.BusMasterEnabled;

    public IInterruptLine InterruptPin => Slot.InterruptPin;

    private IPciSlot Slot => _slot
        ?? throw new InvalidOperationException($"'{device}' uses its PCI slot before it is attached, or does not implement {nameof(IPciFunction)}.");

    public void Bind(IPciSlot slot) => _slot = slot;

    public void DeclareMemoryBar(int index, ulong length, AccessWidths widths, IMmioDevice handler, bool is64Bit = true) =>
        Slot.DeclareMemoryBar(index, length, widths, handler, is64Bit);

    public void DeclarePortBar(int index, int length, AccessWidths widths, IPortDevice handler) => Slot.DeclarePortBar(index, length, widths, handler);

    public IMessageInterrupts DeclareMsiX(int barIndex, int vectors) => Slot.DeclareMsiX(barIndex, vectors);

    public void DeclareCapability(byte capabilityId, ReadOnlySpan<byte> body) => Slot.DeclareCapability(capabilityId, body);
}
