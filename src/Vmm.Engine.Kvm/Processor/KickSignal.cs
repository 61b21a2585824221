using System.Runtime.InteropServices;
using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm.Processor;

/// <summary>
/// The signal that brings a thread out of <c>KVM_RUN</c>. All it has to do is arrive: <c>immediate_exit</c> in the shared
/// page says why, and closes the gap before the thread is inside.
/// </summary>
/// <remarks>
/// Unsafe invariant: a signal handler must be safe at any instruction of any thread, which no managed code is. The
/// handler is the C library's <c>abs</c>: it takes one integer, touches nothing, and returns.
/// </remarks>
internal static unsafe class KickSignal
{
    private const int Restart = 0x1000_0000;
    private const int FromLast = 4;

    private static readonly int Number = Install();

    [ThreadStatic]
    private static int _threadId;

    /// <summary>The calling thread, for <see cref="Send"/>.</summary>
    public static int CurrentThread => _threadId != 0 ? _threadId : _threadId = LibC.GetThreadId();

    /// <summary>Makes sure that the signal can be sent.</summary>
    public static void Prepare() => _ = Number;

    /// <summary>Sends the signal. A thread that has ended meanwhile does not mind.</summary>
    public static void Send(int thread) => _ = LibC.SendThreadSignal(Environment.ProcessId, thread, Number);

    private static int Install()
    {
        int signal = LibC.LastRealTimeSignal() - FromLast;
        var action = new LibC.SignalAction { Handler = NativeLibrary.GetExport(NativeLibrary.Load("libc.so.6"), "abs"), Flags = Restart };
        return LibC.SetSignalAction(signal, &action, null) == 0
            ? signal
            : throw new KvmException($"Signal {signal} cannot be used to kick processors: {Marshal.GetLastPInvokeErrorMessage()}.");
    }
}
