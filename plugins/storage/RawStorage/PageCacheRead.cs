using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vmm.Plugins.RawStorage;

/// <summary>
/// Reads what the host has in its page cache without waiting: <c>preadv2</c> with RWF_NOWAIT, on Linux. That spares
/// most reads the way over the thread pool, which costs many times the copy.
/// </summary>
internal sealed unsafe partial class PageCacheRead
{
    private const int NoWait = 0x08; // RWF_NOWAIT, linux/fs.h
    private const int TryAgain = 11; // EAGAIN
    private const int MostBuffers = 32;

    private volatile bool _works = OperatingSystem.IsLinux() && Environment.Is64BitProcess;

    /// <summary>Reads all of the buffers, or says that it takes waiting (buffers may be filled in part then).</summary>
    public bool TryRead(SafeFileHandle file, long offset, IReadOnlyList<Memory<byte>> buffers, long length)
    {
        if (!_works || buffers.Count > MostBuffers)
        {
            return false;
        }

        try
        {
            return Read(file, offset, buffers) == length;
        }
        catch (EntryPointNotFoundException)
        {
            // A C library without preadv2.
            _works = false;
            return false;
        }
    }

    private long Read(SafeFileHandle file, long offset, IReadOnlyList<Memory<byte>> buffers)
    {
        // The vectors are valid while the handles pin the buffers: until the finally block.
        Pins pins = default;
        Vector* vectors = stackalloc Vector[MostBuffers];
        int pinned = 0;
        try
        {
            for (; pinned < buffers.Count; pinned++)
            {
                var buffer = buffers[pinned];
                pins[pinned] = buffer.Pin();
                vectors[pinned] = new Vector(pins[pinned].Pointer, (nuint)buffer.Length);
            }

            nint read = PReadV2(file, vectors, buffers.Count, offset, NoWait);
            if (read < 0 && Marshal.GetLastPInvokeError() != TryAgain)
            {
                // The file system cannot do this; the ordinary way will say what else there is to say.
                _works = false;
            }

            return read;
        }
        finally
        {
            for (int i = 0; i < pinned; i++)
            {
                pins[i].Dispose();
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "preadv2", SetLastError = true)]
    private static partial nint PReadV2(SafeFileHandle file, Vector* vectors, int count, long offset, int flags);

    /// <summary>struct iovec.</summary>
    private readonly struct Vector(void* start, nuint length)
    {
        public readonly void* Start = start;
        public readonly nuint Length = length;
    }

    [InlineArray(MostBuffers)]
    private struct Pins
    {
        private MemoryHandle _first;
    }
}
