using Microsoft.Win32.SafeHandles;
using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm.Interrupts;

/// <summary>An <c>eventfd</c>: a counter that one side raises and the other takes.</summary>
internal sealed unsafe class EventDescriptor : SafeHandleMinusOneIsInvalid
{
    private EventDescriptor(int descriptor)
        : base(ownsHandle: true) => SetHandle(descriptor);

    /// <summary>The descriptor. Valid until disposal.</summary>
    public int Number => (int)handle;

    /// <summary>Makes one; null when the process or the host has no more.</summary>
    public static EventDescriptor? TryCreate()
    {
        int descriptor = LibC.EventFd(0, LibC.CloseOnExec | LibC.NonBlocking);
        return descriptor < 0 ? null : new EventDescriptor(descriptor);
    }

    /// <summary>Raises the counter by one. Signals to a descriptor that is closed meanwhile go nowhere.</summary>
    public void Signal()
    {
        if (TryHold())
        {
            ulong one = 1;
            _ = LibC.Write(Number, &one, sizeof(ulong));
            DangerousRelease();
        }
    }

    /// <summary>Takes the counter, which becomes 0. That of a closed descriptor is 0.</summary>
    public ulong Take()
    {
        ulong value = 0;
        if (TryHold())
        {
            _ = LibC.Read(Number, &value, sizeof(ulong));
            DangerousRelease();
        }

        return value;
    }

    private bool TryHold()
    {
        bool held = false;
        try
        {
            DangerousAddRef(ref held);
        }
        catch (ObjectDisposedException)
        {
        }

        return held;
    }

    protected override bool ReleaseHandle() => LibC.Close((int)handle) == 0;
}
