using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Vmm.Engine.Kvm.Interop;

/// <summary>A file descriptor of KVM: the device, a VM or a virtual processor. Requests that fail throw by name.</summary>
internal sealed unsafe class KvmDescriptor : SafeHandleMinusOneIsInvalid
{
    public KvmDescriptor(int descriptor)
        : base(ownsHandle: true) => SetHandle(descriptor);

    /// <summary>The descriptor itself, for the run loop. Valid until disposal.</summary>
    public int Number => (int)handle;

    /// <summary>Makes a request with a number as its argument.</summary>
    /// <returns>What KVM returns, never negative.</returns>
    public int Request(KvmRequest request, nint argument = 0)
    {
        int result = Try(request, argument);
        return result >= 0 ? result : throw Failure(request);
    }

    /// <summary>Makes a request with a structure as its argument.</summary>
    public int Request<T>(KvmRequest request, ref T structure)
        where T : unmanaged
    {
        fixed (T* pointer = &structure)
        {
            return Request(request, (nint)pointer);
        }
    }

    /// <summary>Makes a request that may fail.</summary>
    /// <returns>Negative for a failure; the last P/Invoke error says which.</returns>
    public int Try(KvmRequest request, nint argument = 0)
    {
        bool held = false;
        try
        {
            DangerousAddRef(ref held); // no other thread's disposal may give the number to somebody else meanwhile
            int result;
            do
            {
                result = LibC.Ioctl((int)handle, (nuint)request, argument);
            }
            while (result < 0 && Marshal.GetLastPInvokeError() == LibC.Eintr);

            return result;
        }
        finally
        {
            if (held)
            {
                DangerousRelease();
            }
        }
    }

    /// <summary>Makes a request that may fail, with a structure as its argument.</summary>
    public int Try<T>(KvmRequest request, ref T structure)
        where T : unmanaged
    {
        fixed (T* pointer = &structure)
        {
            return Try(request, (nint)pointer);
        }
    }

    protected override bool ReleaseHandle() => LibC.Close((int)handle) == 0;

    private static KvmException Failure(KvmRequest request) =>
        new($"{KvmName.Of(request)} failed: {Marshal.GetLastPInvokeErrorMessage()}.");
}
