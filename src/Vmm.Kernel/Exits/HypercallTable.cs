namespace Vmm.Kernel;

/// <summary>The hypercalls that exit handlers answer.</summary>
internal sealed class HypercallTable
{
    private readonly RangeTable<GuardedHypercallHandler> _table = new();

    public HypercallTable(ExitHandlers handlers)
    {
        foreach ((string name, object handler, GuardedHandler guard) in handlers.All)
        {
            if (handler is IHypercallHandler hypercalls)
            {
                var guarded = new GuardedHypercallHandler(hypercalls, guard);
                foreach (HypercallRange range in hypercalls.HypercallRanges)
                {
                    _table.Add("hypercalls", name, range.Name, range.First, range.Last, guarded);
                }
            }
        }
    }

    /// <summary>Calls with two owners.</summary>
    public IReadOnlyList<ResourceConflict> Conflicts => _table.Conflicts;

    /// <summary>Answers a call.</summary>
    /// <returns>False when nobody does.</returns>
    public bool TryCall(VirtualProcessor processor, ref GuestRegisters registers) =>
        _table.Find(registers.Rax) is { } handler && handler.TryCall(processor, ref registers);

    private sealed class GuardedHypercallHandler(IHypercallHandler handler, GuardedHandler guard)
    {
        public bool TryCall(VirtualProcessor processor, ref GuestRegisters registers)
        {
            if (!guard.Enabled)
            {
                return false;
            }

            try
            {
                registers.Rax = handler.Call(processor, ref registers);
                return true;
            }
            catch (Exception e)
            {
                guard.Fault($"hypercall 0x{registers.Rax:x}", e);
                return false;
            }
        }
    }
}
