using Vmm.Kernel;
using Vmm.Machine.Boot;
using Vmm.Machine.Configuration;

namespace Vmm.Machine.Boards;

/// <summary>How a machine starts: what its memory holds before the first instruction, and which instruction that is.</summary>
internal abstract class BootPlan
{
    /// <summary>The firmware's ROM, or nothing.</summary>
    public virtual ReadOnlyMemory<byte> Rom => default;

    /// <summary>What the firmware is told.</summary>
    public virtual IReadOnlyList<FirmwareFile> FirmwareFiles => [];

    /// <summary>Reads the files of a description.</summary>
    /// <exception cref="MachineException">A file is missing or is not what it should be.</exception>
    public static BootPlan Prepare(MachineDescription description, MemoryLayout memory) => description switch
    {
        { Firmware: { } firmware, Kernel: null, Initrd: [], CommandLine: null } => FirmwareBoot.Prepare(firmware, description, memory),
        { Firmware: not null } => throw new MachineException(
            "Firmware boots from a disk, and a kernel of the command line boots without firmware: give either --firmware, or --kernel with --initrd and --cmdline."),
        { Kernel: { } kernel } => KernelBoot.Prepare(kernel, description, memory),
        _ => throw new MachineException("There is nothing to boot: pass --kernel FILE, --firmware FILE with a disk, or 'run linux' for a ready-made Linux."),
    };

    /// <summary>The same for a machine that goes on from saved state: a kernel's files are read only if the guest resets itself.</summary>
    public static BootPlan PrepareLater(MachineDescription description, MemoryLayout memory) =>
        description.Firmware is null ? new LateKernelBoot(description, memory) : Prepare(description, memory);

    /// <summary>Makes the machine ready for its first instruction; also after a reset.</summary>
    public abstract void Execute(VirtualMachine machine);

    protected static BootFile ReadFile(string what, string path)
    {
        try
        {
            return new BootFile(path, File.ReadAllBytes(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new MachineException($"{path}: the {what} cannot be read: {e.Message}", e);
        }
    }

    private sealed class LateKernelBoot(MachineDescription description, MemoryLayout memory) : BootPlan
    {
        public override void Execute(VirtualMachine machine) => Prepare(description, memory).Execute(machine);
    }
}
