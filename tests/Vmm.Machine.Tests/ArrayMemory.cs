using System.Buffers.Binary;
using System.Text;
using Vmm.Machine.Boards;
using Vmm.Sdk;

namespace Vmm.Machine.Tests;

/// <summary>Guest memory in an array, without the video window, as the board lays it out.</summary>
internal sealed class ArrayMemory(int bytes) : IGuestMemory
{
    private readonly byte[] _bytes = new byte[bytes];

    public bool TryRead(ulong address, Span<byte> destination)
    {
        if (!IsRam(address, destination.Length))
        {
            return false;
        }

        _bytes.AsSpan((int)address, destination.Length).CopyTo(destination);
        return true;
    }

    public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
    {
        if (!IsRam(address, source.Length))
        {
            return false;
        }

        source.CopyTo(_bytes.AsSpan((int)address));
        return true;
    }

    public bool TryPin(ulong address, int length, GuestAccess access, out Memory<byte> memory)
    {
        memory = IsRam(address, length) ? _bytes.AsMemory((int)address, length) : default;
        return !memory.IsEmpty;
    }

    public byte[] Bytes(ulong address, int length) => _bytes.AsSpan((int)address, length).ToArray();

    public byte Byte(ulong address) => _bytes[address];

    public uint Double(ulong address) => BinaryPrimitives.ReadUInt32LittleEndian(_bytes.AsSpan((int)address));

    public ulong Quad(ulong address) => BinaryPrimitives.ReadUInt64LittleEndian(_bytes.AsSpan((int)address));

    public string Text(ulong address)
    {
        ReadOnlySpan<byte> rest = _bytes.AsSpan((int)address);
        return Encoding.UTF8.GetString(rest[..rest.IndexOf((byte)0)]);
    }

    private bool IsRam(ulong address, int length) =>
        address + (ulong)length <= (ulong)_bytes.Length
        && (address + (ulong)length <= MemoryLayout.VideoWindowStart || address >= MemoryLayout.VideoWindowEnd);
}
