using Vmm.Machine.Configuration;

namespace Vmm.Machine.Pci;

/// <summary>Hands out places on bus 0: those asked for first, then the lowest free device numbers.</summary>
internal sealed class PciPlaces(IEnumerable<DeviceDescription> devices)
{
    private const int Devices = 32;
    private readonly Dictionary<PciAddress, string> _wanted = [];
    private readonly HashSet<int> _taken = [0, .. devices.Select(device => device.PciAddress).OfType<PciAddress>().Select(address => (int)address.Device)];

    /// <summary>The place of a device.</summary>
    public PciAddress Take(DeviceDescription device)
    {
        if (device.PciAddress is { } wanted)
        {
            return _wanted.TryAdd(wanted, device.Name)
                ? wanted
                : throw new MachineException($"{device.Options.Source}: the PCI address {wanted} is taken by '{_wanted[wanted]}'; give one of them another.");
        }

        for (byte number = 1; number < Devices; number++)
        {
            if (_taken.Add(number))
            {
                return new PciAddress(0, number, 0);
            }
        }

        throw new MachineException($"'{device.Name}': all {Devices} places of PCI bus 0 are taken.");
    }
}
