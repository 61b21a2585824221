namespace Vmm.Kernel;

/// <summary>Collects the exit handlers of a VM before it starts.</summary>
public sealed class ExitHandlers
{
    private readonly List<(string Name, object Handler)> _handlers = [];

    internal ExitHandlers()
    {
    }

    /// <summary>Names of the handlers in the order in which they are called.</summary>
    public IReadOnlyList<string> Names => [.. _handlers.Select(h => h.Name)];

    internal IReadOnlyList<(string Name, object Handler)> All => _handlers;

    internal void Add(string name, object handler)
    {
        if (handler is not (IExitHandler or IMsrHandler or ICpuidHandler or IHypercallHandler))
        {
            throw new ArgumentException($"'{name}' is none of {nameof(IExitHandler)}, {nameof(IMsrHandler)}, {nameof(ICpuidHandler)} and {nameof(IHypercallHandler)}.");
        }

        _handlers.Add((name, handler));
    }
}
