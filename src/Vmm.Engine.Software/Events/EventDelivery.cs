using Vmm.Engine.Software.Decode;

namespace Vmm.Engine.Software.Events;

/// <summary>Delivery of exceptions and interrupts (SDM Vol. 3A ch. 6).</summary>
internal static unsafe class EventDelivery
{
    /// <summary>
    /// Delivers the exception that a handler raised; RIP in the state is the instruction's own.
    /// <see cref="Outcome.Branch"/>: go on at RIP; <see cref="Outcome.Leave"/>: leave the guest.
    /// </summary>
    public static Outcome DeliverFault(LogicalProcessor processor) => Outcome.Leave;
}
