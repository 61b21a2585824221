using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm.Interrupts;

/// <summary>An <c>eventfd</c>: a counter that one side raises and the other takes.</summary>
internal sealed unsafe class EventDescriptor : SafeHandleMinusOneIsInvalid
{
    public EventDescriptor()
        : base(ownsHandle: true)
    {
        int descriptor = LibC.EventFd(0, LibC.CloseOnExec | LibC.NonBlocking);
        if (descriptor < 0)
        {
            throw new KvmException($"The host gives no event descriptor: {Marshal.GetLastPInvokeErrorMessage()}.");
        }

        SetHandle(descriptor);
    }

    /// <summary>The descriptor. Valid until disposal.</summary>
    public int Number => (int)handle;

    /// <summary>Raises the counter by one.</summary>
    public void Signal()
    {
        ulong one = 1;
        _ = LibC.Write(Number, &one, sizeof(ulong));
    }

    /// <summary>Takes the counter, which becomes 0.</summary>
    public ulong Take()
    {
        ulong value = 0;
        return LibC.Read(Number, &value, sizeof(ulong)) == sizeof(ulong) ? value : 0;
    }

    protected override bool ReleaseHandle() => LibC.Close((int)handle) == 0;
}
