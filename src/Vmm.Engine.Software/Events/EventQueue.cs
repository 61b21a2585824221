using Vmm.Engine.Software.Decode;

namespace Vmm.Engine.Software.Events;

/// <summary>What a processor does between instructions, by priority (SDM Vol. 3A table 6-2).</summary>
internal static unsafe class EventQueue
{
    /// <summary>
    /// Called before a block whenever <see cref="State.CpuState.EventPending"/> is set (which it clears unless more is to do)
    /// with RIP in sync. <see cref="Outcome.Branch"/>: go on at RIP; <see cref="Outcome.Leave"/>: leave the guest.
    /// </summary>
    public static Outcome Process(LogicalProcessor processor)
    {
        processor.State->EventPending = 0;
        return Outcome.Branch;
    }
}
