namespace Vmm.Kernel;

/// <summary>
/// The PCI functions of a VM and their configuration spaces, which host bridges reach through
/// <see cref="IPciConfigurationSpace"/>.
/// </summary>
public sealed class PciBus : IPciConfigurationSpace
{
    private readonly VirtualMachine _machine;
    private readonly Lock _change = new();
    private volatile Dictionary<PciAddress, PciSlot> _slots = [];

    internal PciBus(VirtualMachine machine) => _machine = machine;

    /// <summary>Every function, by address.</summary>
    public IReadOnlyCollection<PciSlot> Slots => [.. _slots.Values.OrderBy(s => s.Address.Bus).ThenBy(s => s.Address.Device).ThenBy(s => s.Address.Function)];

    /// <summary>Makes the slot that a PCI device's constructor asks for.</summary>
    /// <param name="address">Where the function sits.</param>
    /// <param name="context">The device's context.</param>
    /// <param name="interruptPin">1 for INTA# to 4 for INTD#, 0 for a function without one.</param>
    /// <param name="interruptLine">Line of <see cref="InterruptFabric"/> that the pin is wired to.</param>
    /// <exception cref="InvalidOperationException">The address is taken.</exception>
    public PciSlot CreateSlot(PciAddress address, DeviceContext context, int interruptPin, int interruptLine)
    {
        var slot = new PciSlot(_machine, address, context.Instance, interruptPin, interruptLine);
        lock (_change)
        {
            if (_slots.TryGetValue(address, out PciSlot? other))
            {
                throw new InvalidOperationException($"PCI address {address} of {context.Instance} is taken by {other.Owner}; give one of them another.");
            }

            _slots = new Dictionary<PciAddress, PciSlot>(_slots) { [address] = slot };
        }

        return slot;
    }

    /// <summary>The slot at an address, or null.</summary>
    /// <param name="address">Where the function sits.</param>
    public PciSlot? Find(PciAddress address) => _slots.GetValueOrDefault(address);

    /// <inheritdoc/>
    public uint Read(PciAddress address, ushort offset, AccessWidth width) =>
        Find(address) is { } slot ? slot.ReadConfiguration(offset, (int)width) : uint.MaxValue >> (32 - (8 * (int)width));

    /// <inheritdoc/>
    public void Write(PciAddress address, ushort offset, AccessWidth width, uint value) => Find(address)?.WriteConfiguration(offset, (int)width, value);

    /// <summary>
    /// Gives every base-address register a place and turns decoding on, as firmware does where there is none.
    /// </summary>
    /// <param name="memory">First free guest-physical address below 4 GiB for registers.</param>
    /// <param name="memoryEnd">First address behind the window.</param>
    /// <param name="port">First free port.</param>
    /// <exception cref="InvalidOperationException">The window is too small.</exception>
    public void AssignResources(ulong memory, ulong memoryEnd, ushort port)
    {
        foreach (PciSlot slot in Slots)
        {
            slot.AssignResources(ref memory, memoryEnd, ref port);
        }
    }

    internal void Reset()
    {
        foreach (PciSlot slot in _slots.Values)
        {
            slot.Reset();
        }
    }
}
