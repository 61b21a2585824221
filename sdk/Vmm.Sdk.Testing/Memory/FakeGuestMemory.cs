using System.Buffers.Binary;

namespace Vmm.Sdk.Testing;

/// <summary>Guest memory of the fake board: one piece of RAM from a base address.</summary>
/// <param name="length">Length in bytes.</param>
/// <param name="baseAddress">First guest-physical address.</param>
public sealed class FakeGuestMemory(int length, ulong baseAddress = 0) : IGuestMemory
{
    private readonly byte[] _bytes = new byte[length];
    private readonly HashSet<ulong> _dirtyPages = [];

    /// <summary>The content.</summary>
    public Span<byte> Bytes => _bytes;

    /// <summary>Numbers of the 4 KiB pages that were written through this interface.</summary>
    public IReadOnlySet<ulong> DirtyPages => _dirtyPages;

    /// <inheritdoc/>
    public bool TryRead(ulong address, Span<byte> destination)
    {
        if (!Find(address, destination.Length, out var offset))
        {
            return false;
        }

        _bytes.AsSpan(offset, destination.Length).CopyTo(destination);
        return true;
    }

    /// <inheritdoc/>
    public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
    {
        if (!Find(address, source.Length, out var offset))
        {
            return false;
        }

        source.CopyTo(_bytes.AsSpan(offset));
        MarkDirty(address, source.Length);
        return true;
    }

    /// <inheritdoc/>
    public bool TryPin(ulong address, int length, GuestAccess access, out Memory<byte> memory)
    {
        memory = default;
        if (length < 1 || !Find(address, length, out var offset))
        {
            return false;
        }

        memory = _bytes.AsMemory(offset, length);
        if (access == GuestAccess.Write)
        {
            MarkDirty(address, length);
        }

        return true;
    }

    /// <summary>Reads 32 bits for the test.</summary>
    /// <param name="address">Guest-physical address inside the RAM.</param>
    public uint Read32(ulong address) => BinaryPrimitives.ReadUInt32LittleEndian(_bytes.AsSpan(checked((int)(address - baseAddress)), 4));

    /// <summary>Writes 32 bits for the test, without a dirty mark.</summary>
    /// <param name="address">Guest-physical address inside the RAM.</param>
    /// <param name="value">The value.</param>
    public void Write32(ulong address, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_bytes.AsSpan(checked((int)(address - baseAddress)), 4), value);

    /// <summary>Reads 64 bits for the test.</summary>
    /// <param name="address">Guest-physical address inside the RAM.</param>
    public ulong Read64(ulong address) => BinaryPrimitives.ReadUInt64LittleEndian(_bytes.AsSpan(checked((int)(address - baseAddress)), 8));

    /// <summary>Writes 64 bits for the test, without a dirty mark.</summary>
    /// <param name="address">Guest-physical address inside the RAM.</param>
    /// <param name="value">The value.</param>
    public void Write64(ulong address, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(_bytes.AsSpan(checked((int)(address - baseAddress)), 8), value);

    private bool Find(ulong address, int count, out int offset)
    {
        var start = address - baseAddress;
        var inside = address >= baseAddress && start <= (ulong)_bytes.Length && (ulong)count <= (ulong)_bytes.Length - start;
        offset = inside ? (int)start : 0;
        return inside;
    }

    private void MarkDirty(ulong address, int count)
    {
        lock (_dirtyPages)
        {
            for (var page = address >> 12; count > 0 && page <= (address + (ulong)count - 1) >> 12; page++)
            {
                _dirtyPages.Add(page);
            }
        }
    }
}
