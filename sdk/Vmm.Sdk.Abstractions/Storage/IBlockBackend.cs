namespace Vmm.Sdk;

/// <summary>
/// Storage behind a disk. Sector numbers and lengths come from the guest: out of range is
/// <see cref="BlockStatus.OutOfRange"/>, never an exception. Requests may overlap in time and come from any thread.
/// A completed flush covers every write that completed before the flush was issued. Answer synchronously when possible.
/// The host disposes of the backend (<see cref="IAsyncDisposable"/>) after the VM has stopped.
/// </summary>
public interface IBlockBackend : IAsyncDisposable
{
    /// <summary>Sizes and abilities; only the sector count may change, and only for <see cref="IResizableBlock"/>.</summary>
    BlockGeometry Geometry { get; }

    /// <summary>Reads sectors into buffers, in order.</summary>
    /// <param name="sector">First sector, in units of <see cref="BlockGeometry.SectorSize"/>.</param>
    /// <param name="buffers">Where to; the lengths add up to a whole number of sectors.</param>
    /// <param name="cancellation">Cancelled when the VM stops.</param>
    ValueTask<BlockStatus> ReadAsync(ulong sector, IReadOnlyList<Memory<byte>> buffers, CancellationToken cancellation);

    /// <summary>Writes sectors from buffers, in order.</summary>
    /// <param name="sector">First sector, in units of <see cref="BlockGeometry.SectorSize"/>.</param>
    /// <param name="buffers">What to write; the lengths add up to a whole number of sectors.</param>
    /// <param name="durable">Whether the data must be on stable storage at completion (force unit access).</param>
    /// <param name="cancellation">Cancelled when the VM stops.</param>
    ValueTask<BlockStatus> WriteAsync(ulong sector, IReadOnlyList<ReadOnlyMemory<byte>> buffers, bool durable, CancellationToken cancellation);

    /// <summary>Puts every completed write on stable storage.</summary>
    /// <param name="cancellation">Cancelled when the VM stops.</param>
    ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation);
}

/// <summary>Shape of a disk.</summary>
/// <param name="SectorSize">Bytes in a sector: a power of two, 512 to 4096.</param>
/// <param name="SectorCount">Number of sectors.</param>
/// <param name="ReadOnly">Whether writes are refused.</param>
public readonly record struct BlockGeometry(int SectorSize, ulong SectorCount, bool ReadOnly);

/// <summary>How a request ended.</summary>
public enum BlockStatus
{
    /// <summary>Done.</summary>
    Ok,

    /// <summary>The range does not lie on the disk; nothing was transferred.</summary>
    OutOfRange,

    /// <summary>A write to a read-only disk.</summary>
    ReadOnly,

    /// <summary>The medium failed; what was transferred is undefined.</summary>
    MediumError,

    /// <summary>The host's storage is full.</summary>
    NoSpace,

    /// <summary>The request was cancelled.</summary>
    Cancelled,
}

/// <summary>A disk that can forget ranges.</summary>
public interface IDiscardableBlock
{
    /// <summary>Tells the backend that the content of a range is not needed. Afterwards it reads as zeros or as before.</summary>
    /// <param name="sector">First sector.</param>
    /// <param name="count">Number of sectors.</param>
    /// <param name="cancellation">Cancelled when the VM stops.</param>
    ValueTask<BlockStatus> DiscardAsync(ulong sector, ulong count, CancellationToken cancellation);
}

/// <summary>A disk whose size can change while in use.</summary>
public interface IResizableBlock
{
    /// <summary>Raised, from any thread, with the new number of sectors.</summary>
    event Action<ulong> SectorCountChanged;
}

/// <summary>The backend under a layer (<c>qcow2</c> over <c>raw</c>, <c>throttle</c> over anything): a constructor parameter of layers.</summary>
/// <param name="Backend">The backend below. The host disposes of it after the layer.</param>
public sealed record InnerBlockBackend(IBlockBackend Backend);
