using Vmm.Engine.Software;
using Vmm.Machine;
using Vmm.Vmx;

namespace Vmm.Cli;

/// <summary>The engines of this build, the preferred one first.</summary>
internal static class Engines
{
    private static readonly IReadOnlyList<(string Name, Func<IReadOnlyDictionary<string, string>, IVmxEngine> Create)> All = [("software", CreateSoftware)];

    /// <summary>Makes an engine.</summary>
    /// <param name="name">Its name, or <c>auto</c> for the preferred one.</param>
    /// <param name="options">Its options.</param>
    public static IVmxEngine Create(string name, IReadOnlyDictionary<string, string> options)
    {
        foreach ((string candidate, Func<IReadOnlyDictionary<string, string>, IVmxEngine> create) in All)
        {
            if (name == candidate || name == "auto")
            {
                return create(options);
            }
        }

        throw new MachineException($"engine: '{name}' is not in this build; use auto or {string.Join(", ", All.Select(engine => engine.Name))}.");
    }

    private static SoftwareEngine CreateSoftware(IReadOnlyDictionary<string, string> options)
    {
        EngineOptions.CheckKeys("software", options, "tier");
        return new SoftwareEngine(EngineOptions.Enum<ExecutionTier>(options, "tier"));
    }
}
