namespace Vmm.Kernel;

/// <summary>
/// The messages of one function on their way past exits, through an engine that has the local APICs: a route a vector,
/// made when the vector is first sent. Guarded by the owner's lock.
/// </summary>
internal sealed class MessageRoutes(IEngineInterrupts engine, int vectors)
{
    private readonly IMessageRoute?[] _routes = new IMessageRoute?[vectors];
    private readonly (ulong Address, uint Data)[] _messages = new (ulong, uint)[vectors];

    /// <summary>Sends the message of a vector.</summary>
    /// <returns>False when it is to be sent like any other: no ordinary interrupt, or the engine has no more routes.</returns>
    public bool TrySend(int vector, ulong address, uint data)
    {
        if (!InterruptMessage.TryDecode(address, data, out InterruptMessage message)
            || message.Level || message.Mode is not (DeliveryMode.Fixed or DeliveryMode.LowestPriority))
        {
            return false;
        }

        if (_routes[vector] is not { } route)
        {
            if (engine.CreateRoute(address, data) is not { } made)
            {
                return false;
            }

            _routes[vector] = route = made;
        }
        else if (_messages[vector] != (address, data))
        {
            route.Change(address, data);
        }

        _messages[vector] = (address, data);
        route.Signal();
        return true;
    }

    /// <summary>Gives the routes back.</summary>
    public void Clear()
    {
        for (int vector = 0; vector < _routes.Length; vector++)
        {
            _routes[vector]?.Dispose();
            _routes[vector] = null;
        }
    }
}
