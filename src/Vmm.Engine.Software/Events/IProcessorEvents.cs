namespace Vmm.Engine.Software.Events;

/// <summary>What the run loop calls between instructions: exceptions, interrupts, exits that no instruction causes.</summary>
internal interface IProcessorEvents
{
    /// <summary>
    /// Called before a block when <c>CpuState.EventPending</c> was set (the loop has cleared it; set it again to be
    /// asked before the next block too). RIP and all state are in sync.
    /// </summary>
    /// <returns>True to go on from the state as it is now; false to leave the guest.</returns>
    bool Process(LogicalProcessor processor);

    /// <summary>Delivers the exception in <c>CpuState.FaultVector</c>; RIP is that of the faulting instruction.</summary>
    /// <returns>True to go on; false to leave the guest.</returns>
    bool DeliverFault(LogicalProcessor processor);

    /// <summary>
    /// Called after each instruction that ran in a block of its own (interrupt shadow, single step, breakpoints) and
    /// finished; <paramref name="blockMode"/> is the mode that it was decoded for, see <c>Decode.BlockMode</c>.
    /// </summary>
    void InstructionCompleted(LogicalProcessor processor, uint blockMode);
}
