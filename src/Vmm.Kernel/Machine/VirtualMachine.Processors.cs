namespace Vmm.Kernel;

// The processors of the VM and what they share.
public sealed partial class VirtualMachine
{
    internal IReadOnlyList<VirtualProcessor> Processors => _processors;

    private void BuildProcessors()
    {
        _processors = [.. Enumerable.Range(0, Options.ProcessorCount).Select(i => new VirtualProcessor(new VcpuId(Options.Id, i)))];
        foreach (VirtualProcessor processor in _processors)
        {
            processor.Member = _pool.Add(processor, Options.Weight);
        }
    }

    private void MemoryMapChanged()
    {
    }

    private VirtualMachineStatistics CollectStatistics() =>
        new([], _machine.Counters, Ports.Unanswered, Mmio.Unanswered, TimeSpan.FromTicks(Clock.NowNanoseconds / 100));
}
