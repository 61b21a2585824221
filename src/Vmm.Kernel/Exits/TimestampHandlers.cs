namespace Vmm.Kernel;

/// <summary>The exit handlers that tell a guest the time by its time-stamp counter.</summary>
internal sealed class TimestampHandlers(ExitHandlers handlers)
{
    private readonly (ITimestampHandler Handler, GuardedHandler Guard)[] _handlers =
    [
        .. from registered in handlers.All
           let handler = registered.Handler as ITimestampHandler
           where handler is not null
           select (handler, registered.Guard),
    ];

    /// <summary>Tells all of them, on the processor's thread or while none runs it.</summary>
    public void Tell(VirtualProcessor processor, TimestampChange change)
    {
        foreach ((ITimestampHandler handler, GuardedHandler guard) in _handlers)
        {
            try
            {
                if (guard.Enabled)
                {
                    handler.TimestampChanged(processor, change);
                }
            }
            catch (Exception e)
            {
                guard.Fault("a change of the time-stamp counter", e);
            }
        }
    }
}
