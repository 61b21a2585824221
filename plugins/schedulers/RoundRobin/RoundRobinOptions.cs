using Vmm.Sdk;

namespace Vmm.Plugins.RoundRobin;

/// <summary>Options of the scheduler.</summary>
public sealed class RoundRobinOptions
{
    /// <summary>Turn of a processor of weight 100, in milliseconds.</summary>
    [OptionRange(1, 1000)]
    [OptionDescription("Turn of a processor of weight 100, in milliseconds")]
    public int Quantum { get; init; } = 10;
}
