namespace Vmm.Engine.Software;

/// <summary>The processors of one VM, with the physical memory they share.</summary>
internal sealed class SoftwareMachine : IVmxMachine
{
    private readonly HostPhysicalMemory _memory;
    private readonly ITimeSource _time;
    private readonly ExecutionTier _tier;
    private readonly ExecutionCounting _counting;
    private readonly List<LogicalProcessor> _processors = [];

    public SoftwareMachine(IPhysicalMemory memory, ITimeSource time, ExecutionTier tier, ExecutionCounting counting)
    {
        _memory = new HostPhysicalMemory(memory);
        _time = time;
        _tier = tier;
        _counting = counting;
    }

    public IReadOnlyDictionary<string, long> Counters
    {
        get
        {
            Dictionary<string, long> counters = [];
            foreach (LogicalProcessor processor in Processors())
            {
                foreach ((string name, long value) in processor.Counters)
                {
                    counters[name] = counters.GetValueOrDefault(name) + value;
                }
            }

            return counters;
        }
    }

    public ILogicalProcessor CreateProcessor(int index)
    {
        var processor = new LogicalProcessor(_memory, _time, index, tier: _tier, countsBlocks: _counting == ExecutionCounting.Blocks);
        lock (_processors)
        {
            _processors.Add(processor);
        }

        return processor;
    }

    public HostPage AllocatePage() => _memory.AllocatePage();

    public void Dispose()
    {
        foreach (LogicalProcessor processor in Processors())
        {
            processor.Dispose();
        }

        _memory.AddressSpace.Dispose();
    }

    private LogicalProcessor[] Processors()
    {
        lock (_processors)
        {
            return [.. _processors];
        }
    }
}
