namespace Vmm.Kernel.Tests;

/// <summary>Interrupt hardware of an engine that only writes down what it is asked for.</summary>
internal sealed class FakeInterrupts : IEngineInterrupts
{
    public bool HasTimestampDeadline => true;

    public List<(ulong Address, uint Data)> Sent { get; } = [];

    public List<FakeRoute> Routes { get; } = [];

    public List<FakeNotification> Notifications { get; } = [];

    /// <summary>The notifications that have not ended.</summary>
    public IEnumerable<FakeNotification> Listening => Notifications.Where(notification => !notification.IsDisposed);

    public void Send(ulong address, uint data) => Sent.Add((address, data));

    public IMessageRoute? CreateRoute(ulong address, uint data)
    {
        var route = new FakeRoute { Message = (address, data) };
        Routes.Add(route);
        return route;
    }

    public IDisposable? Listen(ulong address, int width, Action written)
    {
        var notification = new FakeNotification(address, width, written);
        Notifications.Add(notification);
        return notification;
    }
}

internal sealed class FakeRoute : IMessageRoute
{
    public (ulong Address, uint Data) Message { get; set; }

    public int Signals { get; private set; }

    public bool IsDisposed { get; private set; }

    public void Signal() => Signals++;

    public void Change(ulong address, uint data) => Message = (address, data);

    public void Dispose() => IsDisposed = true;
}

internal sealed class FakeNotification(ulong address, int width, Action written) : IDisposable
{
    public ulong Address => address;

    public int Width => width;

    public Action Written => written;

    public bool IsDisposed { get; private set; }

    public void Dispose() => IsDisposed = true;
}

/// <summary>A local APIC of an engine: registers that stay as they were loaded.</summary>
internal sealed class FakeLocalApic : IEngineLocalApic
{
    public LocalApicState State { get; private set; } = new();

    public ActivityState Activity
    {
        get
        {
            OnActivity();
            return field;
        }

        set;
    }

    public int Loads { get; private set; }

    public Action OnLoad { get; set; } = () => { };

    public Action OnSave { get; set; } = () => { };

    public Action OnActivity { get; set; } = () => { };

    public LocalApicState Save()
    {
        OnSave();
        return State;
    }

    public void Load(LocalApicState state)
    {
        OnLoad();
        State = state;
        Loads++;
    }
}
