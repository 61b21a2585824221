using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm.Interrupts;

/// <summary>Guest writes to one address that signal an event descriptor instead of an exit, until disposal.</summary>
internal sealed class WriteNotification : IDisposable
{
    private readonly KvmDescriptor _vm;
    private readonly NotificationThread _thread;
    private readonly EventDescriptor _target;
    private readonly ulong _address;
    private readonly int _width;
    private readonly Action _written;
    private int _disposed;

    private WriteNotification(KvmDescriptor vm, NotificationThread thread, EventDescriptor target, ulong address, int width, Action written)
    {
        _vm = vm;
        _thread = thread;
        _target = target;
        _address = address;
        _width = width;
        _written = written;
    }

    /// <summary>Makes one; null when KVM or the host has no room, or the place is taken.</summary>
    public static WriteNotification? Create(KvmDescriptor vm, NotificationThread thread, ulong address, int width, Action written)
    {
        if (EventDescriptor.TryCreate() is not { } target)
        {
            return null;
        }

        var notification = new WriteNotification(vm, thread, target, address, width, written);
        if (!thread.Watch(target, written))
        {
            target.Dispose();
            return null;
        }

        if (!notification.Assign(0))
        {
            thread.Forget(target);
            target.Dispose();
            return null;
        }

        return notification;
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            Assign(KvmIoeventfd.Deassign);
            _thread.Forget(_target);
            if (_target.Take() != 0)
            {
                _written(); // the guest wrote, and the thread has not come to it
            }

            _target.Dispose();
        }
    }

    // A VM that is closed has no notifications left to end.
    private bool Assign(uint flags)
    {
        if (_vm.IsClosed)
        {
            return false;
        }

        var request = new KvmIoeventfd { Address = _address, Length = (uint)_width, Descriptor = _target.Number, Flags = flags };
        return _vm.Try(KvmRequest.Ioeventfd, ref request) >= 0;
    }
}
