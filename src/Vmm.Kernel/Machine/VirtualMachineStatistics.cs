namespace Vmm.Kernel;

/// <summary>Exits of one reason.</summary>
/// <param name="Reason">Basic exit reason.</param>
/// <param name="Count">How many.</param>
/// <param name="Time">Host time from the exits to their re-entries.</param>
public readonly record struct ExitStatistic(ExitReason Reason, long Count, TimeSpan Time);

/// <summary>Counters of a VM.</summary>
/// <param name="Exits">Every reason that occurred, most frequent first.</param>
/// <param name="Engine">The engine's own counters by name.</param>
/// <param name="UnansweredPortAccesses">Port accesses that no device answered.</param>
/// <param name="UnansweredMemoryAccesses">Accesses to device memory that no device answered.</param>
/// <param name="VirtualTime">Virtual time since creation.</param>
public sealed record VirtualMachineStatistics(
    IReadOnlyList<ExitStatistic> Exits,
    IReadOnlyDictionary<string, long> Engine,
    long UnansweredPortAccesses,
    long UnansweredMemoryAccesses,
    TimeSpan VirtualTime);
