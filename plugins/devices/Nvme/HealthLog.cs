using System.Buffers.Binary;
using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>The SMART / health information log (NVMe 1.4, 5.14.1.2), counted since power-on.</summary>
internal sealed class HealthLog
{
    public const int Length = 512;

    /// <summary>Composite temperature in kelvin: a disk without heat is at a comfortable 40 °C.</summary>
    public const ushort Temperature = 313;

    /// <summary>Data units are thousands of 512 bytes.</summary>
    private const ulong DataUnit = 512_000;

    public ulong BytesRead { get; private set; }

    public ulong BytesWritten { get; private set; }

    public ulong Reads { get; private set; }

    public ulong Writes { get; private set; }

    public ulong MediaErrors { get; set; }

    /// <summary>A command succeeded.</summary>
    public void Count(in NvmeCommand command, int length)
    {
        if (command.Opcode == (byte)IoOpcode.Read)
        {
            Reads++;
            BytesRead += (uint)length;
        }
        else if (command.Opcode == (byte)IoOpcode.Write)
        {
            Writes++;
            BytesWritten += (uint)length;
        }
    }

    public void Write(Span<byte> data, bool temperatureWarning, ulong powerOnHours, ulong errors)
    {
        data.Clear();
        data[0] = temperatureWarning ? (byte)(1 << 1) : (byte)0;
        BinaryPrimitives.WriteUInt16LittleEndian(data[1..], Temperature);
        data[3] = 100; // Available spare, percent.
        data[4] = 10; // Threshold of it.
        BinaryPrimitives.WriteUInt64LittleEndian(data[32..], Units(BytesRead));
        BinaryPrimitives.WriteUInt64LittleEndian(data[48..], Units(BytesWritten));
        BinaryPrimitives.WriteUInt64LittleEndian(data[64..], Reads);
        BinaryPrimitives.WriteUInt64LittleEndian(data[80..], Writes);
        BinaryPrimitives.WriteUInt64LittleEndian(data[112..], 1); // Power cycles.
        BinaryPrimitives.WriteUInt64LittleEndian(data[128..], powerOnHours);
        BinaryPrimitives.WriteUInt64LittleEndian(data[160..], MediaErrors);
        BinaryPrimitives.WriteUInt64LittleEndian(data[176..], errors);
    }

    public void Save(IStateWriter state)
    {
        state.UInt64(1, BytesRead);
        state.UInt64(2, BytesWritten);
        state.UInt64(3, Reads);
        state.UInt64(4, Writes);
        state.UInt64(5, MediaErrors);
    }

    public void Restore(IStateReader state)
    {
        BytesRead = state.UInt64(1);
        BytesWritten = state.UInt64(2);
        Reads = state.UInt64(3);
        Writes = state.UInt64(4);
        MediaErrors = state.UInt64(5);
    }

    private static ulong Units(ulong bytes) => (bytes / DataUnit) + (bytes % DataUnit != 0 ? 1ul : 0);
}
