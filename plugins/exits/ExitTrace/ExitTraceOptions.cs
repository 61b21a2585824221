using Vmm.Sdk;

namespace Vmm.Plugins.ExitTrace;

/// <summary>Options of the trace.</summary>
public sealed class ExitTraceOptions
{
    /// <summary>Where the lines go.</summary>
    [OptionRequired]
    [OptionDescription("The file that the lines are written to; it is replaced")]
    public string File { get; init; } = "";

    /// <summary>Which exits; none named means all.</summary>
    [OptionDescription("Exit reasons to trace, such as io-instruction,cpuid; all when not given")]
    public IReadOnlyList<ExitReason> Reasons { get; init; } = [];

    /// <summary>How many lines at most.</summary>
    [OptionRange(0, long.MaxValue)]
    [OptionDescription("Number of lines after which the trace ends; 0 for no limit")]
    public long Limit { get; init; }
}
