using Vmm.Engine.Kvm.Host;
using Vmm.Engine.Kvm.Interop;
using Vmm.Engine.Kvm.Processor;
using Vmm.Engine.Kvm.Vmx;

namespace Vmm.Engine.Kvm;

/// <summary>Runs guests on the host processor through Linux's KVM, told in the vocabulary of VMX.</summary>
public sealed class KvmEngine : ILocalApicEngine, IDisposable
{
    private readonly KvmDevice _device;

    private KvmEngine(KvmDevice device, LocalApicModel apics)
    {
        bool canOffer = device.Check(KvmCapability.SplitIrqchip) > 0;
        OffersLocalApics = apics switch
        {
            LocalApicModel.Kernel => false,
            LocalApicModel.Kvm when !canOffer => throw new KvmException(
                $"{KvmName.Of(KvmCapability.SplitIrqchip)} is missing: KVM cannot model the local APICs alone. Use --engine-option apic=kernel."),
            LocalApicModel.Kvm => true,
            _ => canOffer && RunsOnHardware,
        };
        _device = device;
        (TimestampControl control, ulong frequency) = TimestampCounter.Probe(device);
        TimestampControl = control;
        Capabilities = KvmCapabilities.Create(device, frequency);
    }

    /// <inheritdoc/>
    public string Name => "kvm";

    /// <inheritdoc/>
    public VmxCapabilities Capabilities { get; }

    /// <summary>The opened device.</summary>
    internal KvmDevice Device => _device;

    /// <summary>Whether a processor with virtualization runs the guests; otherwise KVM emulates them, slowly.</summary>
    public bool RunsOnHardware { get; } = HostVirtualization.Detect().IsOffered;

    /// <summary>How the guests' time-stamp counters can be set.</summary>
    internal TimestampControl TimestampControl { get; }

    /// <inheritdoc/>
    public bool OffersLocalApics { get; }

    /// <summary>Opens KVM.</summary>
    /// <param name="path">The device.</param>
    /// <param name="apics">Who models the local APICs.</param>
    /// <exception cref="KvmException">KVM cannot be opened or lacks what the engine needs; the message says what and what to do.</exception>
    public static KvmEngine Open(string path = KvmDevice.DefaultPath, LocalApicModel apics = LocalApicModel.Auto)
    {
        KvmDevice device = KvmDevice.Open(path);
        try
        {
            return new KvmEngine(device, apics);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public IVmxMachine CreateMachine(IPhysicalMemory memory, ITimeSource clock) => CreateMachine(memory, clock, modelsApics: false);

    /// <inheritdoc/>
    public IVmxMachine CreateMachineWithLocalApics(IPhysicalMemory memory, ITimeSource clock) => CreateMachine(memory, clock, modelsApics: true);

    /// <summary>Closes the device. Machines that exist go on.</summary>
    public void Dispose() => _device.Dispose();

    private KvmMachine CreateMachine(IPhysicalMemory memory, ITimeSource clock, bool modelsApics) =>
        new(_device, Capabilities, memory, clock, modelsApics) { RunsOnHardware = RunsOnHardware, TimestampControl = TimestampControl };
}

/// <summary>Who models the local APICs.</summary>
public enum LocalApicModel
{
    /// <summary>
    /// KVM where it can and a processor with virtualization runs the guests. A KVM that emulates tells the end of a
    /// level-triggered interrupt late, or never when the guest halts behind it.
    /// </summary>
    Auto,

    /// <summary>KVM ("split irqchip"): interrupts come as messages, and a halted processor waits in KVM.</summary>
    Kvm,

    /// <summary>The platform's kernel: interrupts come as VM-entry interruption information.</summary>
    Kernel,
}
