using System.Buffers.Binary;

namespace Vmm.Machine.Acpi;

/// <summary>MCFG (PCI Firmware Specification 3.3, 4.1.2): memory-mapped configuration space of bus 0.</summary>
internal static class ConfigurationAccess
{
    public static byte[] Build(ulong address)
    {
        byte[] table = new byte[24];
        BinaryPrimitives.WriteUInt64LittleEndian(table.AsSpan(8), address);
        return table;
    }
}
