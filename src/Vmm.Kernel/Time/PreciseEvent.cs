using System.Runtime.InteropServices;

namespace Vmm.Kernel;

/// <summary>
/// An auto-reset event with a time-out in nanoseconds: an <c>eventfd</c> and <c>ppoll</c>. The waits of .NET round to
/// milliseconds, which is coarser than guests' timers.
/// </summary>
internal sealed unsafe partial class PreciseEvent : IDisposable
{
    private const int EventfdCloseOnExec = 0x80000, EventfdNonBlocking = 0x800;
    private const short PollIn = 1;
    private const int PrctlSetTimerSlack = 29;

    private readonly int _descriptor;
    private int _set;

    public PreciseEvent()
    {
        _descriptor = EventFd(0, EventfdCloseOnExec | EventfdNonBlocking);
        if (_descriptor < 0)
        {
            throw new InvalidOperationException($"The host gives no event descriptor: {Marshal.GetLastPInvokeErrorMessage()}.");
        }
    }

    /// <summary>
    /// Makes waits of the calling thread end on time: by default the host lengthens them by up to 50 µs to save wake-ups.
    /// </summary>
    public static void MakeThreadPrecise() => _ = Prctl(PrctlSetTimerSlack, 1, 0, 0, 0);

    /// <summary>Ends the wait under way, or the next one. Callable from any thread.</summary>
    public void Set()
    {
        if (Interlocked.Exchange(ref _set, 1) == 0)
        {
            ulong one = 1;
            _ = Write(_descriptor, &one, sizeof(ulong));
        }
    }

    /// <summary>Waits for <see cref="Set"/>.</summary>
    /// <param name="nanoseconds">At most this long; <see cref="long.MaxValue"/> is for ever.</param>
    public void Wait(long nanoseconds)
    {
        bool signalled = false;
        if (nanoseconds > 0 && Volatile.Read(ref _set) == 0)
        {
            var poll = new PollDescriptor { Descriptor = _descriptor, Events = PollIn };
            var time = new TimeSpecification { Seconds = nanoseconds / 1_000_000_000, Nanoseconds = nanoseconds % 1_000_000_000 };
            signalled = Ppoll(&poll, 1, nanoseconds == long.MaxValue ? null : &time, null) > 0;
        }

        // A setter that was between its two steps leaves the descriptor readable behind: then the next wait empties it.
        if (Interlocked.Exchange(ref _set, 0) == 1 || signalled)
        {
            ulong count;
            _ = Read(_descriptor, &count, sizeof(ulong));
        }
    }

    public void Dispose() => _ = Close(_descriptor);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial int EventFd(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "ppoll")]
    private static partial int Ppoll(PollDescriptor* descriptors, nuint count, TimeSpecification* timeout, void* signalMask);

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int Prctl(int option, nuint a, nuint b, nuint c, nuint d);

    [LibraryImport("libc", EntryPoint = "read")]
    private static partial nint Read(int descriptor, void* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint Write(int descriptor, void* buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    private struct TimeSpecification
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
