using Vmm.Kernel;
using Vmm.Machine.Acpi;
using Vmm.Machine.Boot;
using Vmm.Machine.Configuration;
using Vmm.Machine.Pci;

namespace Vmm.Machine.Boards;

/// <summary>What firmware would do at every start of the machine: PCI addresses, tables, the kernel.</summary>
internal sealed class BootPlan
{
    private const string LinuxCommandLine = "console=ttyS0";
    private readonly BootRequest _request;
    private readonly AcpiTables _tables;

    private BootPlan(BootRequest request, AcpiTables tables)
    {
        _request = request;
        _tables = tables;
    }

    /// <summary>Reads the files of a description.</summary>
    /// <exception cref="MachineException">A file is missing, or the kernel is none.</exception>
    public static BootPlan Prepare(MachineDescription description, MemoryLayout memory)
    {
        string path = description.Kernel
            ?? throw new MachineException("There is nothing to boot: pass --kernel FILE, or 'run linux' for a ready-made Linux.");
        AcpiTables tables = AcpiTables.Build(FirmwareRoles.Describe(memory, description.Devices), MemoryLayout.FirmwareAreaStart);
        BootFile kernel = ReadFile("kernel", path);
        IBootProtocol protocol = BootLoader.Detect(kernel, description.Entry);
        BootRequest request = new()
        {
            Kernel = kernel,
            Modules = [.. description.Initrd.Select(file => ReadFile("initial RAM disk", file))],
            CommandLine = description.CommandLine ?? (protocol is MultibootProtocol ? "" : LinuxCommandLine),
            Memory = memory,
            RootPointer = tables.RootPointer,
            Entry = description.Entry,
        };
        return new BootPlan(request, tables);
    }

    /// <summary>Makes the machine ready for its first instruction; also after a reset.</summary>
    public void Execute(VirtualMachine machine)
    {
        machine.Pci.AssignResources(PciLayout.MemoryStart, PciLayout.MemoryEnd, PciLayout.PortStart);
        new BootMemory(machine.Memory).Write("ACPI tables", _tables.Address, _tables.Bytes);
        machine.SetProcessorState(0, BootLoader.Load(_request, machine.Memory));
    }

    private static BootFile ReadFile(string what, string path)
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
}
