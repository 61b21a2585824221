using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>Interrupts of the controller (NVMe 1.4, 7.5): a message a batch of completions, or the level of the pin.</summary>
internal sealed class InterruptOutput(IInterruptLine pin, IMessageInterrupts messages, QueueSet queues)
{
    /// <summary>Tells the guest of new entries in a queue.</summary>
    public void Notify(CompletionQueue queue, uint mask)
    {
        if (!queue.NeedsInterrupt)
        {
            return;
        }

        queue.NeedsInterrupt = false;
        if (!messages.Enabled)
        {
            UpdatePin(mask);
        }
        else if (queue.InterruptsEnabled)
        {
            messages.Signal(queue.Vector);
        }
    }

    /// <summary>
    /// The pin is asserted while any queue has entries that the guest did not take (7.5.1.1), unless INTMS masks its
    /// one vector.
    /// </summary>
    public void UpdatePin(uint mask)
    {
        if (messages.Enabled)
        {
            return;
        }

        bool waiting = false;
        foreach (var queue in queues.Completion)
        {
            waiting |= queue is { InterruptsEnabled: true, Waiting: > 0 };
        }

        pin.Set(waiting && (mask & 1) == 0);
    }
}
