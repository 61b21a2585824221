namespace Vmm.Kernel;

/// <summary>The model-specific registers that exit handlers own.</summary>
internal sealed class MsrHandlerTable
{
    private const string Kernel = "kernel";

    private readonly RangeTable<GuardedMsrHandler> _table = new();

    public MsrHandlerTable(ExitHandlers handlers)
    {
        // The kernel's own registers take part in the check only: nobody may take the local APIC from it.
        var reserved = new RangeTable<string>();
        foreach (MsrRange range in MsrFile.KernelRanges)
        {
            reserved.Add("MSRs", Kernel, range.Name, range.First, range.Last, Kernel);
        }

        foreach ((string name, object handler, GuardedHandler guard) in handlers.All)
        {
            if (handler is IMsrHandler msrs)
            {
                var guarded = new GuardedMsrHandler(msrs, guard);
                foreach (MsrRange range in msrs.MsrRanges)
                {
                    Ranges.Add(range);
                    _table.Add("MSRs", name, range.Name, range.First, range.Last, guarded);
                    reserved.Add("MSRs", name, range.Name, range.First, range.Last, name);
                }
            }
        }

        Conflicts = reserved.Conflicts;
    }

    /// <summary>Registers with two owners.</summary>
    public IReadOnlyList<ResourceConflict> Conflicts { get; }

    /// <summary>Every range that a handler owns.</summary>
    public List<MsrRange> Ranges { get; } = [];

    /// <summary>The handler of a register, or null.</summary>
    public GuardedMsrHandler? Find(uint index) => _table.Find(index);
}

/// <summary>An MSR handler whose exceptions become general-protection faults in the guest.</summary>
internal sealed class GuardedMsrHandler(IMsrHandler handler, GuardedHandler guard)
{
    public bool Read(VirtualProcessor processor, uint index, out ulong value)
    {
        value = 0;
        try
        {
            return guard.Enabled && handler.Read(processor, index, out value);
        }
        catch (Exception e)
        {
            guard.Fault($"RDMSR 0x{index:x}", e);
            return false;
        }
    }

    public bool Write(VirtualProcessor processor, uint index, ulong value)
    {
        try
        {
            return guard.Enabled && handler.Write(processor, index, value);
        }
        catch (Exception e)
        {
            guard.Fault($"WRMSR 0x{index:x}", e);
            return false;
        }
    }
}
