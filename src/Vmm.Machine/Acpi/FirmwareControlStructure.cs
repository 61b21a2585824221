using System.Buffers.Binary;

namespace Vmm.Machine.Acpi;

/// <summary>FACS (ACPI 6.5 5.2.10): no global lock is held, nothing to wake from.</summary>
internal static class FirmwareControlStructure
{
    private const int Bytes = 64;

    public static byte[] Build()
    {
        byte[] facs = new byte[Bytes];
        "FACS"u8.CopyTo(facs);
        BinaryPrimitives.WriteInt32LittleEndian(facs.AsSpan(4), Bytes);
        facs[32] = 2; // version
        return facs;
    }
}
