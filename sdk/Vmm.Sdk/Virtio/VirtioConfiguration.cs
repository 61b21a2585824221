using System.Buffers.Binary;

namespace Vmm.Sdk;

/// <summary>A device-specific configuration space as bytes, with its fields little-endian as VIRTIO 1.2 has them.</summary>
/// <param name="length">Length in bytes.</param>
public sealed class VirtioConfiguration(int length)
{
    private readonly byte[] _bytes = new byte[length];

    /// <summary>Length in bytes.</summary>
    public int Length => _bytes.Length;

    /// <summary>The content.</summary>
    public Span<byte> Bytes => _bytes;

    /// <summary>Sets a 16-bit field.</summary>
    /// <param name="offset">Its offset.</param>
    /// <param name="value">Its value.</param>
    public void SetUInt16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(_bytes.AsSpan(offset), value);

    /// <summary>Sets a 32-bit field.</summary>
    /// <param name="offset">Its offset.</param>
    /// <param name="value">Its value.</param>
    public void SetUInt32(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_bytes.AsSpan(offset), value);

    /// <summary>Sets a 64-bit field.</summary>
    /// <param name="offset">Its offset.</param>
    /// <param name="value">Its value.</param>
    public void SetUInt64(int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(_bytes.AsSpan(offset), value);

    /// <summary>Reads as <see cref="IVirtioDevice.ReadConfiguration"/> does.</summary>
    /// <param name="offset">Bytes from the start.</param>
    /// <param name="width">Width of the access, which lies inside.</param>
    public ulong Read(uint offset, AccessWidth width)
    {
        ulong value = 0;
        for (int i = 0; i < (int)width; i++)
        {
            value |= (ulong)_bytes[(int)offset + i] << (8 * i);
        }

        return value;
    }
}
