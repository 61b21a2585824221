namespace Vmm.Kernel;

/// <summary>
/// The thread of a VM that runs timers and posted work. Quiesced while the VM is paused.
/// </summary>
internal sealed class EventLoop : IDisposable
{
    private readonly VirtualClock _clock;
    private readonly Action<Exception> _failed;
    private readonly Thread _thread;
    private readonly PreciseEvent _wake = new();
    private readonly Lock _lock = new();
    private readonly Lock _working = new();
    private Queue<(DeviceInstance Device, Action Work)> _posted = new();
    private Queue<(DeviceInstance Device, Action Work)> _running = new();
    private volatile bool _paused = true;
    private volatile bool _stopped;

    /// <summary>Starts the thread, paused.</summary>
    /// <param name="name">Name of the VM.</param>
    /// <param name="clock">Whose timers to run.</param>
    /// <param name="failed">Told of exceptions that no device is to blame for.</param>
    public EventLoop(string name, VirtualClock clock, Action<Exception> failed)
    {
        _failed = failed;
        _clock = clock;
        clock.EarlierDeadline += Wake;
        _thread = new Thread(Work) { Name = $"{name}/events", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Queues work to be run under a device's gate. Dropped after the end.</summary>
    public void Post(DeviceInstance device, Action work)
    {
        lock (_lock)
        {
            if (_stopped)
            {
                return;
            }

            _posted.Enqueue((device, work));
            _wake.Set();
        }
    }

    /// <summary>Stops running callbacks; returns when none runs. Not for the loop's own thread.</summary>
    public void Pause()
    {
        _paused = true;
        lock (_working)
        {
        }
    }

    public void Resume()
    {
        _paused = false;
        Wake();
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _stopped = true;
            _posted.Clear();
            _wake.Set(); // nobody else does from here on: the descriptor may be another's soon
        }

        if (Thread.CurrentThread != _thread)
        {
            _thread.Join();
            _wake.Dispose();
        }
    }

    private void Wake()
    {
        lock (_lock)
        {
            if (!_stopped)
            {
                _wake.Set();
            }
        }
    }

    private void Work()
    {
        PreciseEvent.MakeThreadPrecise();
        while (!_stopped)
        {
            lock (_working)
            {
                if (!_paused)
                {
                    RunEverythingDue();
                }
            }

            _wake.Wait(_paused ? long.MaxValue : _clock.NextDeadline == long.MaxValue ? long.MaxValue : _clock.NextDeadline - _clock.NowNanoseconds);
        }
    }

    private void RunEverythingDue()
    {
        try
        {
            _clock.RunDue();
            RunPosted();
        }
        catch (Exception e)
        {
            _failed(e);
        }
    }

    private void RunPosted()
    {
        lock (_lock)
        {
            (_posted, _running) = (_running, _posted);
        }

        while (_running.TryDequeue(out (DeviceInstance Device, Action Work) item))
        {
            item.Device.Run("posted work", item.Work);
        }
    }
}
