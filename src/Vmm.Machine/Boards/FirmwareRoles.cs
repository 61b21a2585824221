using Vmm.Machine.Acpi;
using Vmm.Machine.Configuration;
using Vmm.Machine.Pci;

namespace Vmm.Machine.Boards;

/// <summary>
/// Derives what the ACPI tables say from the roles of the devices in the machine file. A role says what a device is to
/// firmware and which of its options hold its addresses; no device is known here by its type.
/// </summary>
internal static class FirmwareRoles
{
    /// <summary>SLP_TYP of S5 on this board.</summary>
    private const byte SoftOff = 5;

    /// <summary>Reset control register of a PCI host bridge: 6 is a full reset.</summary>
    private static readonly AcpiReset ResetControl = new(0xCF9, 6);

    public static AcpiPlatform Describe(MemoryLayout memory, IEnumerable<DeviceDescription> devices)
    {
        AcpiPlatform platform = new() { ProcessorCount = memory.ProcessorCount };
        foreach (DeviceDescription device in devices)
        {
            platform = device.Role switch
            {
                null => platform,
                "pic" => platform with { HasPic = true },
                "ioapic" => platform with { IoApic = Address(device, "address") },
                "hpet" => platform with { Hpet = Address(device, "address") },
                "power" => platform with
                {
                    Power = new AcpiPowerManagement(Port(device, "event-port"), Port(device, "control-port"), Port(device, "timer-port"), (byte)Number(device, "sci", 23), SoftOff),
                },
                "serial" => platform with { SerialPorts = [.. platform.SerialPorts, IsaDevice(device)] },
                "keyboard" => platform with { KeyboardController = IsaDevice(device) },
                "clock" => platform with { RealTimeClock = IsaDevice(device) },
                "pci" => platform with { Pci = PciRoot(memory), Reset = ResetControl },
                _ => throw new MachineException($"{device.Options.Source}: role: '{device.Role}' is none of pic, ioapic, hpet, power, serial, keyboard, clock, pci."),
            };
        }

        return platform;
    }

    private static AcpiPciRoot PciRoot(MemoryLayout memory)
    {
        ulong high = PciLayout.HighMemoryStart(memory);
        return new AcpiPciRoot(PciLayout.MemoryStart, PciLayout.MemoryEnd - 1, high, high + PciLayout.HighMemoryLength - 1, PciLayout.Line);
    }

    private static AcpiIsaDevice IsaDevice(DeviceDescription device) => new(Port(device, "port"), (byte)Number(device, "irq", 15));

    private static ushort Port(DeviceDescription device, string key) => (ushort)Number(device, key, ushort.MaxValue);

    private static ulong Address(DeviceDescription device, string key) => Number(device, key, uint.MaxValue);

    private static ulong Number(DeviceDescription device, string key, ulong most)
    {
        string text = device.Options.Find(key)
            ?? throw new MachineException($"{device.Options.Source}: the role '{device.Role}' needs the option '{key}', so that the ACPI tables can tell it to the guest.");
        return Quantity.TryParseNumber(text, out ulong number) && number <= most
            ? number
            : throw new MachineException($"{device.Options.Source}: options:{key}: '{text}' is not a number up to 0x{most:x}.");
    }
}
