using Vmm.Engine.Kvm;
using Vmm.Engine.Kvm.Host;
using Vmm.Engine.Software;
using Vmm.Machine;
using Vmm.Vmx;

namespace Vmm.Cli;

/// <summary>The engines of this build.</summary>
internal static class Engines
{
    public const string Automatic = "auto", Software = "software", Kvm = "kvm";

    private const string LocalApics = "apic";

    /// <summary>Makes an engine.</summary>
    /// <param name="name">Its name, or <c>auto</c> for the best one that the host really offers.</param>
    /// <param name="options">Its options.</param>
    /// <exception cref="MachineException">There is no such engine, or this host cannot run it.</exception>
    public static IVmxEngine Create(string name, IReadOnlyDictionary<string, string> options) => name switch
    {
        Software => CreateSoftware(options),
        Kvm => RequireKvm(options),
        Automatic => Choose(HostVirtualization.Detect(), () => OpenKvm(options)) ?? CreateSoftware(options),
        _ => throw new MachineException($"engine: '{name}' is not in this build; use {Automatic}, {Software} or {Kvm}."),
    };

    /// <summary>
    /// Hardware where a processor offers it and its device opens. That the device answers alone is no reason: behind it may be
    /// an emulator that is far slower than the software engine.
    /// </summary>
    /// <returns>The hardware engine, or null for the software one.</returns>
    public static IVmxEngine? Choose(HostVirtualization virtualization, Func<IVmxEngine> open)
    {
        try
        {
            return virtualization.IsOffered ? open() : null;
        }
        catch (KvmException)
        {
            return null;
        }
    }

    private static SoftwareEngine CreateSoftware(IReadOnlyDictionary<string, string> options)
    {
        EngineOptions.CheckKeys(Software, options, "tier", "count");
        return new SoftwareEngine(EngineOptions.Enum<ExecutionTier>(options, "tier"), EngineOptions.Enum<ExecutionCounting>(options, "count"));
    }

    private static KvmEngine RequireKvm(IReadOnlyDictionary<string, string> options)
    {
        try
        {
            return OpenKvm(options);
        }
        catch (KvmException e)
        {
            throw new MachineException($"engine: {e.Message} Or use --engine {Software}; 'vmm doctor' says more.");
        }
    }

    private static KvmEngine OpenKvm(IReadOnlyDictionary<string, string> options)
    {
        EngineOptions.CheckKeys(Kvm, options, LocalApics);
        return KvmEngine.Open(apics: EngineOptions.Enum<LocalApicModel>(options, LocalApics));
    }
}
