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
        bool held = false;
        try
        {
            DangerousAddRef(ref held);
            ulong one = 1;
            _ = LibC.Write(Number, &one, sizeof(ulong));
        }
        catch (ObjectDisposedException)
        {
        }
        finally
        {
            if (held)
            {
                DangerousRelease();
            }
        }
    }

    /// <summary>Takes the counter, which becomes 0.</summary>
    public ulong Take()
    {
        ulong value = 0;
        return LibC.Read(Number, &value, sizeof(ulong)) == sizeof(ulong) ? value : 0;
    }

    protected override bool ReleaseHandle() => LibC.Close((int)handle) == 0;
}
