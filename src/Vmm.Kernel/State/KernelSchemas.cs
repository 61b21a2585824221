using System.Globalization;

namespace Vmm.Kernel;

/// <summary>The schemas of the kernel's own sections, and the names of their fields for those who look at state.</summary>
public static class KernelSchemas
{
    internal const string Plugin = "kernel";
    internal const string Machine = "kernel.machine";
    internal const string Memory = "kernel.memory";
    internal const string Shadow = "kernel.shadow";
    internal const string Processor = "kernel.processor";
    internal const string Interrupts = "kernel.interrupts";
    internal const string Ports = "kernel.ports";
    internal const string Mmio = "kernel.mmio";
    internal const string PciFunction = "kernel.pci-function";

    /// <summary>Name of a field; its number where the schema is a plugin's, or gives none.</summary>
    /// <param name="schema">Schema of the section.</param>
    /// <param name="path">Numbers of the sections around the field, and its own.</param>
    public static string FieldName(string schema, IReadOnlyList<int> path)
    {
        int number = path[^1];
        Type? names = (schema, path.Count) switch
        {
            (Machine, 1) => typeof(MachineField),
            (Memory, 2) => typeof(MemoryRegionField),
            (Shadow, 1) => typeof(ShadowField),
            (Processor, 1) => typeof(ProcessorField),
            (Processor, 2) when path[0] == (int)ProcessorField.LocalApic => typeof(LocalApicField),
            (Processor, 2) when path[0] is >= (int)ProcessorField.Es and <= (int)ProcessorField.Idtr => typeof(SegmentField),
            (Processor, 3) when path[0] == (int)ProcessorField.Msrs => typeof(MsrField),
            (Interrupts, 3) => typeof(LineSourceField),
            (Ports or Mmio, 2) => typeof(ClaimField),
            (PciFunction, 1) => typeof(PciFunctionField),
            (PciFunction, 2) => typeof(MsiXField),
            _ => null,
        };
        return (names is null ? null : Enum.GetName(names, number)) ?? number.ToString(CultureInfo.InvariantCulture);
    }
}
