namespace Vmm.Kernel;

/// <summary>Handles one exit reason in the kernel.</summary>
internal delegate VmExitAction ExitService(VirtualProcessor processor, ref VmExit exit);

/// <summary>
/// The dispatch table of a VM: per exit reason the handlers that declared it, in order, then the kernel's own service.
/// </summary>
internal sealed class ExitDispatch
{
    private readonly ExitRoute[] _routes = new ExitRoute[ExitCounters.Reasons];

    public ExitDispatch(ExitHandlers handlers)
    {
        for (int reason = 0; reason < _routes.Length; reason++)
        {
            GuardedExitHandler[] declared =
            [
                .. from registered in handlers.All
                   let handler = registered.Handler as IExitHandler
                   where handler is not null && handler.Reasons.Contains((ExitReason)reason)
                   select new GuardedExitHandler(handler, registered.Guard),
            ];
            _routes[reason] = new ExitRoute(declared, KernelExits.For((ExitReason)reason));
        }
    }

    /// <summary>Handles an exit.</summary>
    public VmExitAction Dispatch(VirtualProcessor processor, ref VmExit exit)
    {
        int reason = (int)exit.Reason;
        ref readonly ExitRoute route = ref _routes[reason < _routes.Length ? reason : _routes.Length - 1];
        foreach (GuardedExitHandler handler in route.Handlers)
        {
            ExitDisposition disposition = handler.OnExit(processor, ref exit);
            if (disposition != ExitDisposition.Pass)
            {
                return Follow(disposition, handler, processor);
            }
        }

        return route.Service(processor, ref exit);
    }

    private static VmExitAction Follow(ExitDisposition disposition, GuardedExitHandler handler, VirtualProcessor processor)
    {
        switch (disposition)
        {
            case ExitDisposition.Resume:
                processor.ReinjectEvent();
                return VmExitAction.Resume;
            case ExitDisposition.Yield:
                processor.YieldAfterExit();
                return VmExitAction.NextInstruction;
            case ExitDisposition.Stop:
                processor.Fail($"exit handler '{handler.Name}' stopped the VM");
                return VmExitAction.Leave;
            default:
                return VmExitAction.NextInstruction;
        }
    }

    private readonly record struct ExitRoute(GuardedExitHandler[] Handlers, ExitService Service);

    private sealed class GuardedExitHandler(IExitHandler handler, GuardedHandler guard)
    {
        public string Name => guard.Name;

        public ExitDisposition OnExit(VirtualProcessor processor, ref VmExit exit)
        {
            if (!guard.Enabled)
            {
                return ExitDisposition.Pass;
            }

            try
            {
                ref GuestRegisters registers = ref processor.Registers;
                var frame = new ExitFrame(processor, ref registers, exit.Reason, exit.Qualification, exit.GuestPhysicalAddress, exit.InstructionLength);
                return handler.OnExit(ref frame);
            }
            catch (Exception e)
            {
                guard.Fault($"exit {exit.Reason}", e);
                return ExitDisposition.Pass;
            }
        }
    }
}
