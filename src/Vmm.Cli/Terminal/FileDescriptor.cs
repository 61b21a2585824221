using System.Runtime.InteropServices;

namespace Vmm.Cli.Terminal;

/// <summary>
/// Standard input, output and error as the system has them. The Console class is not used for them: it changes terminal
/// settings behind our back, and its streams keep a position of their own in redirected files.
/// </summary>
internal static partial class FileDescriptor
{
    public const int StandardInput = 0;
    public const int StandardOutput = 1;
    public const int StandardError = 2;

    private const int Interrupted = 4;
    private const int TryAgain = 11;
    private const short Readable = 1;
    private const short Writable = 4;

    /// <summary>Waits for bytes.</summary>
    /// <returns>How many; 0 at the end.</returns>
    public static int Read(int descriptor, Span<byte> buffer)
    {
        while (true)
        {
            nint count = ReadCall(descriptor, buffer, (nuint)buffer.Length);
            if (count >= 0)
            {
                return (int)count;
            }

            WaitOrThrow(descriptor, Readable);
        }
    }

    /// <summary>Writes all bytes, waiting where that is necessary.</summary>
    /// <exception cref="IOException">The other end is closed or the disk is full.</exception>
    public static void Write(int descriptor, ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
        {
            nint count = WriteCall(descriptor, data, (nuint)data.Length);
            if (count >= 0)
            {
                data = data[(int)count..];
            }
            else
            {
                WaitOrThrow(descriptor, Writable);
            }
        }
    }

    /// <summary>Whether the descriptor is a terminal.</summary>
    public static bool IsTerminal(int descriptor) => IsTerminalCall(descriptor) == 1;

    /// <summary>Somebody else may have made the descriptor non-blocking: then wait as if it blocked.</summary>
    private static void WaitOrThrow(int descriptor, short events)
    {
        switch (Marshal.GetLastPInvokeError())
        {
            case Interrupted:
                return;
            case TryAgain:
                PollEntry entry = new() { Descriptor = descriptor, Events = events };
                _ = PollCall(ref entry, 1, -1);
                return;
            case var error:
                throw new IOException(Marshal.GetPInvokeErrorMessage(error));
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollEntry
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint ReadCall(int descriptor, Span<byte> buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint WriteCall(int descriptor, ReadOnlySpan<byte> data, nuint count);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int PollCall(ref PollEntry entries, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "isatty")]
    private static partial int IsTerminalCall(int descriptor);
}
