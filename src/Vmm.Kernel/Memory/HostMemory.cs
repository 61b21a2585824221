using System.Runtime.InteropServices;
using System.Globalization;

namespace Vmm.Kernel;

/// <summary>
/// A zeroed, page-aligned block of host memory behind a <c>memfd</c>, so that another process can map it too.
/// The only place where the kernel asks the host for memory.
/// </summary>
/// <remarks>
/// <see cref="Dispose"/> gives the pages back to the host, but the addresses stay mapped until the garbage collector
/// finds the block unused: a disk transfer that is still under way when its VM ends lands in zero pages instead of
/// bringing the host down.
/// </remarks>
public sealed unsafe partial class HostMemory : IDisposable
{
    /// <summary>Granularity of guest and host mappings.</summary>
    public const ulong PageSize = 4096;

    private const uint MemfdCloseOnExec = 1;
    private const int ProtRead = 1, ProtWrite = 2, MapShared = 1, MapNoReserve = 0x4000;
    private const int KeepSize = 1, PunchHole = 2;

    private int _descriptor;

    /// <summary>Maps a block.</summary>
    /// <param name="name">Name in <c>/proc/PID/maps</c>.</param>
    /// <param name="length">Bytes, a multiple of <see cref="PageSize"/>.</param>
    /// <exception cref="MemoryConfigurationException">The host refuses.</exception>
    public HostMemory(string name, ulong length)
    {
        Length = length;
        _descriptor = MemfdCreate(name, MemfdCloseOnExec);
        if (_descriptor < 0 || Ftruncate(_descriptor, (long)length) != 0)
        {
            throw Refused(name, length);
        }

        nint address = Mmap(0, (nuint)length, ProtRead | ProtWrite, MapShared | MapNoReserve, _descriptor, 0);
        if (address == -1)
        {
            throw Refused(name, length);
        }

        Address = address;
    }

    /// <summary>First byte; stays mapped while this object is referenced.</summary>
    public nint Address { get; }

    /// <summary>Length in bytes.</summary>
    public ulong Length { get; }

    /// <summary>The descriptor of the <c>memfd</c>, to be shared with another process.</summary>
    public int Descriptor => _descriptor;

    /// <summary>Memory that the host can give without swapping, in bytes; null where the host does not say.</summary>
    public static ulong? Available()
    {
        const string Meminfo = "/proc/meminfo";
        if (!File.Exists(Meminfo))
        {
            return null;
        }

        string? line = File.ReadLines(Meminfo).FirstOrDefault(l => l.StartsWith("MemAvailable:", StringComparison.Ordinal));
        string? number = line?.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        return ulong.TryParse(number, CultureInfo.InvariantCulture, out ulong kibibytes) ? kibibytes * 1024 : null;
    }

    /// <summary>The offsets between which the host has given pages; everything else reads as zeros.</summary>
    internal IEnumerable<(ulong Start, ulong End)> DataRanges()
    {
        const int SeekData = 3, SeekHole = 4;
        long start = 0;
        while (start < (long)Length && (start = Seek(_descriptor, start, SeekData)) >= 0)
        {
            long end = Seek(_descriptor, start, SeekHole);
            end = end < 0 ? (long)Length : end;
            yield return ((ulong)start & ~(PageSize - 1), ((ulong)end + PageSize - 1) & ~(PageSize - 1));
            start = end;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_descriptor >= 0)
        {
            _ = Fallocate(_descriptor, PunchHole | KeepSize, 0, (long)Length);
            _ = Close(_descriptor);
            _descriptor = -1;
        }
    }

    /// <summary>Unmaps the block.</summary>
    ~HostMemory()
    {
        if (Address != 0)
        {
            _ = Munmap(Address, (nuint)Length);
        }

        if (_descriptor >= 0)
        {
            _ = Close(_descriptor);
        }
    }

    private MemoryConfigurationException Refused(string name, ulong length)
    {
        string reason = Marshal.GetLastPInvokeErrorMessage();
        Dispose();
        return new MemoryConfigurationException($"The host refuses {length >> 20} MiB for '{name}': {reason}.");
    }

    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MemfdCreate(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    private static partial int Ftruncate(int descriptor, long length);

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    private static partial int Fallocate(int descriptor, int mode, long offset, long length);

    [LibraryImport("libc", EntryPoint = "lseek")]
    private static partial long Seek(int descriptor, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Mmap(nint address, nuint length, int protection, int flags, int descriptor, long offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Munmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
