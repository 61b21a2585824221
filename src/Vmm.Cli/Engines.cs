using Vmm.Engine.Software;
using Vmm.Machine;
using Vmm.Vmx;

namespace Vmm.Cli;

/// <summary>The engines of this build, the preferred one first.</summary>
internal static class Engines
{
    private static readonly IReadOnlyList<(string Name, Func<IVmxEngine> Create)> All = [("software", () => new SoftwareEngine())];

    /// <summary>Makes an engine.</summary>
    /// <param name="name">Its name, or <c>auto</c> for the preferred one.</param>
    public static IVmxEngine Create(string name)
    {
        foreach ((string candidate, Func<IVmxEngine> create) in All)
        {
            if (name == candidate || name == "auto")
            {
                return create();
            }
        }

        throw new MachineException($"engine: '{name}' is not in this build; use auto or {string.Join(", ", All.Select(engine => engine.Name))}.");
    }
}
