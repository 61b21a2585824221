namespace Vmm.Kernel;

/// <summary>Collects the exit handlers of a VM before it starts.</summary>
public sealed class ExitHandlers
{
    private readonly IHostLog _log;
    private readonly List<RegisteredHandler> _handlers = [];

    internal ExitHandlers(IHostLog log) => _log = log;

    /// <summary>Names of the handlers in the order in which they are called.</summary>
    public IReadOnlyList<string> Names => [.. _handlers.Select(h => h.Name)];

    internal IReadOnlyList<RegisteredHandler> All => _handlers;

    internal void Add(string name, object handler)
    {
        if (handler is not (IExitHandler or IMsrHandler or ICpuidHandler or IHypercallHandler))
        {
            throw new ArgumentException($"'{name}' is none of {nameof(IExitHandler)}, {nameof(IMsrHandler)}, {nameof(ICpuidHandler)} and {nameof(IHypercallHandler)}.");
        }

        _handlers.Add(new RegisteredHandler(name, handler, new GuardedHandler(name, _log)));
    }
}

/// <summary>An exit handler with its name and its one guard, whatever contracts it implements.</summary>
internal sealed record RegisteredHandler(string Name, object Handler, GuardedHandler Guard);
