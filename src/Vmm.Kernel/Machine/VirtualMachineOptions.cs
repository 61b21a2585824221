namespace Vmm.Kernel;

/// <summary>What a VM is told at its creation.</summary>
public sealed record VirtualMachineOptions
{
    /// <summary>Number of the VM in this process, from 1; it is what schedulers see.</summary>
    public int Id { get; init; } = 1;

    /// <summary>Name for messages.</summary>
    public string Name { get; init; } = "vm";

    /// <summary>Number of virtual processors, 1 to 255.</summary>
    public int ProcessorCount { get; init; } = 1;

    /// <summary>Share of each processor in its pool, 1 to 10,000; 100 is ordinary.</summary>
    public int Weight { get; init; } = 100;

    /// <summary>What a faulted device means for the VM.</summary>
    public FaultPolicy OnFault { get; init; } = FaultPolicy.Continue;

    /// <summary>Whether a reset or triple fault ends the VM instead of starting it anew.</summary>
    public bool NoReboot { get; init; }
}

/// <summary>What a device fault means for the VM.</summary>
public enum FaultPolicy
{
    /// <summary>The device is dead; the VM goes on.</summary>
    Continue,

    /// <summary>The VM pauses for somebody to look.</summary>
    Pause,

    /// <summary>The VM ends with <see cref="VmOutcome.Faulted"/>.</summary>
    Stop,
}

/// <summary>Where a VM is in its life.</summary>
public enum VirtualMachineState
{
    /// <summary>Never started.</summary>
    Created,

    /// <summary>Its processors run.</summary>
    Running,

    /// <summary>Quiesced: processors out of their guests, device gates free, time standing still.</summary>
    Paused,

    /// <summary>Ended for good.</summary>
    Stopped,
}

/// <summary>How a VM ended.</summary>
public abstract record VmOutcome
{
    private VmOutcome()
    {
    }

    /// <summary>The guest turned the machine off.</summary>
    public sealed record PoweredOff : VmOutcome;

    /// <summary>The guest reset the machine, and a reset ends this VM.</summary>
    public sealed record Reset : VmOutcome;

    /// <summary>A device ended the VM with a status.</summary>
    /// <param name="Status">0 to 255.</param>
    public sealed record Exit(int Status) : VmOutcome;

    /// <summary>A processor took a triple fault, and a reset ends this VM.</summary>
    public sealed record TripleFault : VmOutcome;

    /// <summary>The host stopped the VM because something of the host's or a plugin failed.</summary>
    /// <param name="Message">What, where, and what to do.</param>
    public sealed record Faulted(string Message) : VmOutcome;

    /// <summary><see cref="VirtualMachine.Stop"/> was called.</summary>
    public sealed record Stopped : VmOutcome;
}
