namespace Vmm.Kernel;

/// <summary>Carries interrupt messages between the local APICs, and to them from the fabric.</summary>
internal sealed class ApicBus(InterruptFabric fabric)
{
    private readonly List<LocalApic> _apics = [];
    private LocalApic? _externalInterruptTarget;
    private int _nextLowestPriority;

    /// <summary>The processor that an ExtINT message (of an I/O APIC in virtual-wire mode) made responsible for the 8259A.</summary>
    public LocalApic? ExternalInterruptTarget
    {
        get => Volatile.Read(ref _externalInterruptTarget);
        set => Volatile.Write(ref _externalInterruptTarget, value);
    }

    /// <summary>Whose turn it is among equals.</summary>
    public int NextLowestPriority
    {
        get => Volatile.Read(ref _nextLowestPriority);
        set => Volatile.Write(ref _nextLowestPriority, value);
    }

    /// <summary>Adds an APIC; before the guest runs.</summary>
    public void Add(LocalApic apic) => _apics.Add(apic);

    /// <summary>Delivers a message to every APIC that it addresses. Callable from any thread.</summary>
    public void Deliver(InterruptMessage message)
    {
        if (message.Mode == DeliveryMode.LowestPriority)
        {
            Lowest(message)?.Accept(message);
            return;
        }

        // A message from outside has 8 bits of destination: 0xFF is everybody in either mode.
        foreach (LocalApic apic in _apics)
        {
            if (message.Destination == 0xFF || apic.Matches(message.Destination, message.Logical))
            {
                apic.Accept(message);
            }
        }
    }

    /// <summary>Delivers an inter-processor interrupt.</summary>
    public void SendCommand(LocalApic source, InterruptMessage message, ApicShorthand shorthand)
    {
        if (shorthand == ApicShorthand.None && message.Mode == DeliveryMode.LowestPriority)
        {
            Lowest(message)?.Accept(message);
            return;
        }

        foreach (LocalApic apic in _apics)
        {
            bool addressed = shorthand switch
            {
                ApicShorthand.Self => apic == source,
                ApicShorthand.AllIncludingSelf => true,
                ApicShorthand.AllExcludingSelf => apic != source,
                _ => apic.Matches(message.Destination, message.Logical),
            };
            if (addressed)
            {
                apic.Accept(message);
            }
        }
    }

    /// <summary>Tells the I/O APICs of the end of a level-triggered interrupt (SDM Vol. 3A 11.8.5).</summary>
    public void EndOfInterrupt(byte vector) => fabric.EndOfInterrupt(vector);

    /// <summary>The addressed APIC with the lowest task priority; among equals they take turns (11.6.2.4).</summary>
    private LocalApic? Lowest(in InterruptMessage message)
    {
        LocalApic? best = null;
        uint start = (uint)Interlocked.Increment(ref _nextLowestPriority);
        for (uint i = 0; i < (uint)_apics.Count; i++)
        {
            LocalApic apic = _apics[(int)((start + i) % (uint)_apics.Count)];
            if (apic.IsSoftwareEnabled && apic.Matches(message.Destination, message.Logical) && (best is null || apic.Cr8 < best.Cr8))
            {
                best = apic;
            }
        }

        return best;
    }
}
