using Vmm.Sdk.Testing;

namespace Vmm.Kernel.Tests.Virtio;

/// <summary>A driver that finds a virtio function by its capabilities (VIRTIO 1.2, 4.1.4) and talks to it as a guest does.</summary>
internal sealed class VirtioPciDriver
{
    public const byte Acknowledge = 1, Driver = 2, DriverOk = 4, FeaturesOk = 8, NeedsReset = 64;

    private readonly VirtualMachine _machine;
    private readonly PciAddress _address;
    private readonly Dictionary<uint, (ulong Address, uint Length)> _structures = [];

    public VirtioPciDriver(VirtualMachine machine, PciAddress address, ulong bar = 0xC000_0000)
    {
        _machine = machine;
        _address = address;
        MessageBar = bar + 0x1_0000;
        WriteConfiguration(0x10, (uint)bar);
        WriteConfiguration(0x18, (uint)MessageBar);
        WriteConfiguration(4, 6);
        for (uint at = ReadConfiguration(0x34) & 0xFF; at != 0; at = (ReadConfiguration(at) >> 8) & 0xFF)
        {
            uint header = ReadConfiguration(at);
            if ((header & 0xFF) == 9)
            {
                _structures[header >> 24] = (bar + ReadConfiguration(at + 8), ReadConfiguration(at + 12));
                ConfigurationAccess = header >> 24 == 5 ? at : ConfigurationAccess;
                NotifyMultiplier = header >> 24 == 2 ? ReadConfiguration(at + 16) : NotifyMultiplier;
            }
            else if ((header & 0xFF) == 0x11)
            {
                MessageControl = at;
            }
        }
    }

    public IReadOnlyDictionary<uint, (ulong Address, uint Length)> Structures => _structures;

    public ulong MessageBar { get; }

    public uint NotifyMultiplier { get; }

    public uint MessageControl { get; }

    public uint ConfigurationAccess { get; }

    public byte Status
    {
        get => (byte)Read(1, 0x14, 1);
        set => Write(1, 0x14, 1, value);
    }

    public uint ReadConfiguration(uint offset) => _machine.Pci.Read(_address, (ushort)offset, AccessWidth.DoubleWord);

    public void WriteConfiguration(uint offset, uint value) => _machine.Pci.Write(_address, (ushort)offset, AccessWidth.DoubleWord, value);

    public ulong Read(uint structure, uint offset, int width) => _machine.Mmio.Read(_structures[structure].Address + offset, width);

    public void Write(uint structure, uint offset, int width, ulong value) => _machine.Mmio.Write(_structures[structure].Address + offset, width, value);

    public ulong OfferedFeatures()
    {
        Write(1, 0, 4, 1);
        ulong high = Read(1, 4, 4);
        Write(1, 0, 4, 0);
        return (high << 32) | Read(1, 4, 4);
    }

    /// <summary>Goes as far as FEATURES_OK (3.1.1).</summary>
    public bool Negotiate(ulong features)
    {
        Status = 0;
        Status = Acknowledge;
        Status = Acknowledge | Driver;
        Write(1, 8, 4, 0);
        Write(1, 12, 4, (uint)features);
        Write(1, 8, 4, 1);
        Write(1, 12, 4, features >> 32);
        Status = Acknowledge | Driver | FeaturesOk;
        return (Status & FeaturesOk) != 0;
    }

    public void SetQueue(ushort index, int size, ulong descriptors, ulong driver, ulong device, ushort vector = 0xFFFF)
    {
        Write(1, 0x16, 2, index);
        Write(1, 0x18, 2, (ulong)size);
        Write(1, 0x1A, 2, vector);
        Write(1, 0x20, 8, descriptors);
        Write(1, 0x28, 8, driver);
        Write(1, 0x30, 8, device);
        Write(1, 0x1C, 2, 1);
    }

    /// <summary>Sets up queue 0 with MSI-X vector 1 and starts the device.</summary>
    public DriverRing Start(ulong features, ulong ringAddress = 0x1000)
    {
        Assert.True(Negotiate(features));
        DriverRing ring = new(_machine.Memory, ringAddress, 8, (features & VirtioFeatures.EventIndex) != 0);
        SetQueue(0, ring.Size, ring.Descriptors, ring.Driver, ring.Device, vector: 1);
        Status = Acknowledge | Driver | FeaturesOk | DriverOk;
        return ring;
    }

    public void Notify(ushort queue) => Write(2, queue * NotifyMultiplier, 2, queue);

    public void EnableMessages(int vectors, uint firstVector = 0x40)
    {
        for (uint vector = 0; vector < vectors; vector++)
        {
            _machine.Mmio.Write(MessageBar + (16 * vector), 4, 0xFEE0_0000);
            _machine.Mmio.Write(MessageBar + (16 * vector) + 8, 4, firstVector + vector);
            _machine.Mmio.Write(MessageBar + (16 * vector) + 12, 4, 0);
        }

        WriteConfiguration(MessageControl, 0x8000_0000);
    }
}
