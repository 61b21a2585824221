using Vmm.Engine.Software.Decode;

namespace Vmm.Engine.Software.Events;

/// <summary>The architectural events: what a processor of a machine has, as against one in a test.</summary>
internal sealed unsafe class ProcessorEvents : IProcessorEvents
{
    public bool Process(LogicalProcessor processor) => EventQueue.Process(processor) != Outcome.Leave;

    public bool DeliverFault(LogicalProcessor processor) => EventDelivery.DeliverFault(processor) != Outcome.Leave;

    /// <summary>The shadow of STI or of a load of SS covers one instruction (SDM Vol. 3A 6.8.3).</summary>
    public void InstructionCompleted(LogicalProcessor processor, uint blockMode)
    {
        if ((blockMode & BlockMode.Shadow) != 0)
        {
            processor.State->Interruptibility &= 0xFC;
            BlockMode.Update(processor.State);
        }
    }
}
