using Vmm.Kernel;
using Vmm.Machine.Acpi;
using Vmm.Machine.Boot;
using Vmm.Machine.Configuration;
using Vmm.Machine.Firmware;

namespace Vmm.Machine.Boards;

/// <summary>Firmware in a ROM: processors start at the reset vector, and everything else is the firmware's affair.</summary>
internal sealed class FirmwareBoot : BootPlan
{
    /// <summary>Firmware images are as long as flash chips; a block of those has 64 KiB.</summary>
    private const int RomBlock = 64 << 10;

    /// <summary>What there is between the local APIC and 4 GiB.</summary>
    private const int MostRom = 16 << 20;

    private FirmwareBoot(ReadOnlyMemory<byte> rom, IReadOnlyList<FirmwareFile> files)
    {
        Rom = rom;
        FirmwareFiles = files;
    }

    public override ReadOnlyMemory<byte> Rom { get; }

    public override IReadOnlyList<FirmwareFile> FirmwareFiles { get; }

    /// <summary>Reads the firmware and writes down what it will ask for.</summary>
    /// <exception cref="MachineException">The file is missing, or no firmware.</exception>
    public static FirmwareBoot Prepare(string path, MachineDescription description, MemoryLayout memory)
    {
        BootFile rom = ReadFile("firmware", path);
        AcpiPlatform platform = FirmwareRoles.Describe(memory, description.Devices);
        return rom.Content.Length switch
        {
            0 => throw new MachineException($"{path}: the firmware is empty."),
            > MostRom => throw new MachineException($"{path}: the firmware has {rom.Content.Length:N0} bytes; there is room for {MostRom >> 20} MiB below 4 GiB."),
            int length when length % RomBlock != 0 => throw new MachineException(
                $"{path}: not firmware: it has {length:N0} bytes, which is not a multiple of 64 KiB, as the content of a ROM is."),
            _ => new FirmwareBoot(rom.Content, [MemoryMapFile.Create(memory), .. AcpiFiles.Create(platform)]),
        };
    }

    /// <summary>Nothing: a processor that is told nothing else starts at the reset vector (SDM Vol. 3A 10.1.4).</summary>
    public override void Execute(VirtualMachine machine)
    {
    }
}
