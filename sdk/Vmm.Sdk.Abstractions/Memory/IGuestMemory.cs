namespace Vmm.Sdk;

/// <summary>
/// Guest-physical memory as a bus master sees it. A range that is not wholly RAM is refused, never an exception:
/// the guest chose the address. All members are callable from any thread.
/// </summary>
public interface IGuestMemory
{
    /// <summary>Copies out of guest memory.</summary>
    /// <param name="address">Guest-physical address.</param>
    /// <param name="destination">Where to; its length is the number of bytes.</param>
    /// <returns>False, with nothing copied, when the range is not wholly readable memory.</returns>
    bool TryRead(ulong address, Span<byte> destination);

    /// <summary>Copies into guest memory and marks the pages dirty.</summary>
    /// <param name="address">Guest-physical address.</param>
    /// <param name="source">What to write.</param>
    /// <returns>False, with nothing written, when the range is not wholly writable memory.</returns>
    bool TryWrite(ulong address, ReadOnlySpan<byte> source);

    /// <summary>
    /// Gives direct access to a range, for transfers. The memory stays valid until the VM is disposed of; the host
    /// waits for a device's outstanding work before that.
    /// </summary>
    /// <param name="address">Guest-physical address.</param>
    /// <param name="length">Length in bytes, at least 1.</param>
    /// <param name="access">What will be done with it; <see cref="GuestAccess.Write"/> marks the pages dirty.</param>
    /// <param name="memory">The range.</param>
    /// <returns>False when the range is not wholly in one region of memory of the right kind.</returns>
    bool TryPin(ulong address, int length, GuestAccess access, out Memory<byte> memory);
}

/// <summary>What a pinned range is used for.</summary>
public enum GuestAccess
{
    /// <summary>Only read.</summary>
    Read,

    /// <summary>Written (and maybe read).</summary>
    Write,
}
