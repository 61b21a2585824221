using Vmm.Kernel;
using Vmm.Machine.Acpi;
using Vmm.Machine.Boot;
using Vmm.Machine.Configuration;
using Vmm.Machine.Pci;

namespace Vmm.Machine.Boards;

/// <summary>A kernel without firmware: what firmware would do at every start of the machine is done from outside.</summary>
internal sealed class KernelBoot : BootPlan
{
    private const string LinuxCommandLine = "console=ttyS0";
    private readonly BootRequest _request;
    private readonly AcpiTables _tables;

    private KernelBoot(BootRequest request, AcpiTables tables)
    {
        _request = request;
        _tables = tables;
    }

    /// <summary>Reads the files of a description.</summary>
    /// <exception cref="MachineException">A file is missing, or the kernel is none.</exception>
    public static KernelBoot Prepare(string path, MachineDescription description, MemoryLayout memory)
    {
        AcpiTables tables = AcpiTables.Build(FirmwareRoles.Describe(memory, description.Devices), MemoryLayout.FirmwareAreaStart);
        BootFile kernel = ReadFile("kernel", path);
        IBootProtocol protocol = BootLoader.Detect(kernel, description.Entry);
        BootRequest request = new()
        {
            Kernel = kernel,
            Modules = [.. description.Initrd.Select(file => protocol is MultibootProtocol ? ReadModule(file) : ReadFile("initial RAM disk", file))],
            CommandLine = description.CommandLine ?? (protocol is MultibootProtocol ? "" : LinuxCommandLine),
            Memory = memory,
            RootPointer = tables.RootPointer,
            Entry = description.Entry,
        };
        return new KernelBoot(request, tables);
    }

    public override void Execute(VirtualMachine machine)
    {
        machine.Pci.AssignResources(PciLayout.MemoryStart, PciLayout.MemoryEnd, PciLayout.PortStart);
        new BootMemory(machine.Memory).Write("ACPI tables", _tables.Address, _tables.Bytes);
        machine.SetProcessorState(0, BootLoader.Load(_request, machine.Memory));
    }

    /// <summary>A Multiboot module is a file, with arguments after it where there is a blank; its string has both.</summary>
    private static BootFile ReadModule(string module)
    {
        int blank = File.Exists(module) ? -1 : module.IndexOf(' ', StringComparison.Ordinal);
        return blank < 0 ? ReadFile("module", module) : ReadFile("module", module[..blank]) with { Name = module };
    }
}
