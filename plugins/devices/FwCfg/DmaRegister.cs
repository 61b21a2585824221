using System.Buffers.Binary;
using Vmm.Sdk;

namespace Vmm.Plugins.FwCfg;

/// <summary>
/// The DMA address register: big-endian, upper half first; a write of the lower half carries out the command at that
/// address (QEMU's specification "Firmware Configuration (fw_cfg) Device", "Guest-side DMA Interface").
/// </summary>
internal sealed class DmaRegister(ItemReader reader, IGuestMemory memory) : IPortDevice
{
    private const uint Error = 1 << 0;
    private const uint Read = 1 << 1;
    private const uint Skip = 1 << 2;
    private const uint Select = 1 << 3;
    private const uint Write = 1 << 4;
    private const int CommandLength = 16;
    private const uint LowHalf = 4;
    private const int ZeroBytes = 4096;

    /// <summary>What reads as "QEMU CFG", by which a guest knows that there is DMA.</summary>
    private const uint SignatureHigh = 0x51454d55, SignatureLow = 0x20434647;

    public uint AddressHigh { get; set; }

    ulong IPortDevice.Read(uint offset, AccessWidth width) => BinaryPrimitives.ReverseEndianness(offset == LowHalf ? SignatureLow : SignatureHigh);

    void IPortDevice.Write(uint offset, AccessWidth width, ulong value)
    {
        uint half = BinaryPrimitives.ReverseEndianness((uint)value);
        if (offset != LowHalf)
        {
            AddressHigh = half;
            return;
        }

        Execute(((ulong)AddressHigh << 32) | half);
        AddressHigh = 0;
    }

    /// <summary>Carries out a command and leaves its result where its control word was: 0, or the error bit.</summary>
    private void Execute(ulong address)
    {
        Span<byte> command = stackalloc byte[CommandLength];
        if (!memory.TryRead(address, command))
        {
            return; // there is no place for an error either
        }

        uint control = BinaryPrimitives.ReadUInt32BigEndian(command);
        uint length = BinaryPrimitives.ReadUInt32BigEndian(command[4..]);
        if ((control & Select) != 0)
        {
            reader.Select((ushort)(control >> 16));
        }

        bool done = true;
        if ((control & Read) != 0)
        {
            done = Copy(BinaryPrimitives.ReadUInt64BigEndian(command[8..]), length);
        }
        else if ((control & Write) != 0)
        {
            done = false;
        }
        else if ((control & Skip) != 0)
        {
            reader.Skip(length);
        }

        BinaryPrimitives.WriteUInt32BigEndian(command, done ? 0 : Error);
        memory.TryWrite(address, command[..4]);
    }

    private bool Copy(ulong address, uint length)
    {
        ReadOnlySpan<byte> content = reader.Rest(length);
        if (!memory.TryWrite(address, content) || !Clear(address + (uint)content.Length, length - (uint)content.Length))
        {
            return false;
        }

        reader.Skip(length);
        return true;
    }

    /// <summary>Writes the zeros behind the end of an item. A length that the guest made up ends at the end of its memory.</summary>
    private bool Clear(ulong address, uint length)
    {
        Span<byte> zeros = stackalloc byte[ZeroBytes];
        zeros.Clear();
        while (length > 0)
        {
            int part = (int)Math.Min(length, ZeroBytes);
            if (!memory.TryWrite(address, zeros[..part]))
            {
                return false;
            }

            address += (uint)part;
            length -= (uint)part;
        }

        return true;
    }
}
