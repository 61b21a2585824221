using Microsoft.Win32.SafeHandles;
using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm.Interrupts;

/// <summary>The thread of a VM that waits for event descriptors and calls who wants to know. Those left at its end are closed.</summary>
internal sealed unsafe class NotificationThread : IDisposable
{
    private const int Batch = 32;

    private readonly Lock _gate = new();
    private readonly Dictionary<int, (EventDescriptor Source, Action Signalled)> _watched = [];
    private readonly SafeFileHandle _set;
    private readonly EventDescriptor _end;
    private readonly Thread _thread;
    private volatile bool _ending;

    private NotificationThread(SafeFileHandle set, EventDescriptor end)
    {
        _set = set;
        _end = end;
        _thread = new Thread(Work) { Name = "kvm/notifications", IsBackground = true };
    }

    /// <summary>Starts one; null when the host has no descriptors for it.</summary>
    public static NotificationThread? TryStart()
    {
        var set = new SafeFileHandle(LibC.EpollCreate(LibC.CloseOnExec), ownsHandle: true);
        EventDescriptor? end = set.IsInvalid ? null : EventDescriptor.TryCreate();
        if (end is not null)
        {
            var thread = new NotificationThread(set, end);
            if (thread.Watch(end, static () => { }))
            {
                thread._thread.Start();
                return thread;
            }

            end.Dispose();
        }

        set.Dispose();
        return null;
    }

    /// <summary>Has the thread call <paramref name="signalled"/> after signals.</summary>
    /// <returns>False when the host has no room.</returns>
    public bool Watch(EventDescriptor source, Action signalled)
    {
        lock (_gate)
        {
            var wanted = new LibC.EpollEvent { Events = LibC.EpollIn, Data = (ulong)source.Number };
            if (LibC.EpollControl(Set, LibC.EpollAdd, source.Number, &wanted) != 0)
            {
                return false;
            }

            _watched[source.Number] = (source, signalled);
            return true;
        }
    }

    /// <summary>Ends <see cref="Watch"/>; before the descriptor is closed. A call that has begun may still be under way.</summary>
    public void Forget(EventDescriptor source)
    {
        lock (_gate)
        {
            if (_watched.Remove(source.Number))
            {
                _ = LibC.EpollControl(Set, LibC.EpollDelete, source.Number, null);
            }
        }
    }

    public void Dispose()
    {
        _ending = true;
        _end.Signal();
        if (Thread.CurrentThread != _thread)
        {
            _thread.Join();
        }

        lock (_gate)
        {
            foreach ((EventDescriptor source, _) in _watched.Values)
            {
                source.Dispose();
            }

            _watched.Clear();
        }

        _set.Dispose();
    }

    private int Set => (int)_set.DangerousGetHandle();

    private void Work()
    {
        LibC.EpollEvent* events = stackalloc LibC.EpollEvent[Batch];
        while (!_ending)
        {
            int count = LibC.EpollWait(Set, events, Batch, -1);
            for (int n = 0; n < count; n++)
            {
                TakeSignal((int)events[n].Data)?.Invoke();
            }
        }
    }

    // The descriptor may have been forgotten since the host told of it.
    private Action? TakeSignal(int number)
    {
        lock (_gate)
        {
            return _watched.TryGetValue(number, out (EventDescriptor Source, Action Signalled) entry) && entry.Source.Take() != 0 ? entry.Signalled : null;
        }
    }
}
