using System.Buffers.Binary;

namespace Vmm.Machine.Acpi;

/// <summary>HPET description table (IA-PC HPET Specification 1.0a, 3.2.4).</summary>
internal static class EventTimer
{
    /// <summary>Vendor 8086h, legacy replacement, 64-bit counter, three timers, revision 1: the low half of the capabilities register.</summary>
    private const uint BlockId = 0x8086_A201;

    /// <summary>Least ticks between two interrupts in periodic mode.</summary>
    private const ushort MinimumTick = 0x80;

    public static byte[] Build(ulong address)
    {
        byte[] table = new byte[20];
        BinaryPrimitives.WriteUInt32LittleEndian(table, BlockId);
        table[5] = 64; // register width in bits; byte 4 says: memory space
        BinaryPrimitives.WriteUInt64LittleEndian(table.AsSpan(8), address);
        BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(17), MinimumTick);
        return table;
    }
}
