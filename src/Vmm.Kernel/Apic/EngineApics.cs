namespace Vmm.Kernel;

/// <summary>
/// Local APICs of the engine. While the VM runs the kernel sees processors without an APIC: messages, timers, IPIs, INIT,
/// start-up IPIs and waiting in HLT are the engine's; INTR of the 8259A and the NMI line are still the kernel's.
/// </summary>
internal sealed class EngineApics(IEngineInterrupts interrupts, InterruptFabric fabric, ApicBus bus) : ILocalApicProvider
{
    private const uint Masked = 1 << 16, ModeMask = 0x700;
    private const ulong GlobalEnable = 1 << 11;

    public IEngineInterrupts Engine => interrupts;

    // ExtINT comes by LINT0 alone, and no machine here has system-management mode.
    public void Deliver(InterruptMessage message)
    {
        if (fabric.IsQuiet)
        {
            bus.Deliver(message);
        }
        else if (message.Mode is DeliveryMode.Fixed or DeliveryMode.LowestPriority or DeliveryMode.Nmi or DeliveryMode.Init)
        {
            interrupts.Send(message.Address, message.Data);
        }
    }

    public void TakeUp(VirtualProcessor processor)
    {
        if (!processor.IsApicWithEngine)
        {
            processor.GoWithoutApic(out LocalApicState state, out ActivityState activity);
            try
            {
                IEngineLocalApic apic = Find(processor);
                apic.Load(state);
                apic.Activity = activity;
            }
            catch (Exception e)
            {
                processor.Fail($"the engine does not take the state of the local APIC: {e.Message}");
            }
        }
    }

    public void GiveBack(VirtualProcessor processor)
    {
        if (!processor.IsApicWithEngine)
        {
            return;
        }

        try
        {
            // Asked for its activity, an engine acts on an INIT or a start-up IPI that has come, which changes registers.
            IEngineLocalApic apic = Find(processor);
            ActivityState activity = apic.Activity;
            LocalApicState state = apic.Save();
            processor.TakeApicBack(state, activity, PassesNmi(state));
        }
        catch (Exception e)
        {
            processor.GiveApicUp();
            processor.Fail($"the engine does not give back the state of the local APIC: {e.Message}");
        }
    }

    /// <summary>The pin was asserted: LINT1 decides (SDM Vol. 3A 11.5.1), which the guest has programmed in the engine.</summary>
    public bool PassesNmi(VirtualProcessor processor) => PassesNmi(Find(processor).Save());

    private static bool PassesNmi(LocalApicState state)
    {
        uint entry = state.Registers[(int)ApicRegister.LvtLint1];
        return (state.Base & GlobalEnable) == 0 || (entry & (Masked | ModeMask)) == (uint)DeliveryMode.Nmi << 8;
    }

    private static IEngineLocalApic Find(VirtualProcessor processor) => processor.Logical.LocalApic
        ?? throw new VmxFailureException($"Processor {processor.Id.Index} has no local APIC though its machine has.");
}
