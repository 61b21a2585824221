using Vmm.Kernel;
using Vmm.Kernel.Plugins;
using Vmm.Machine.Channels;
using Vmm.Machine.Configuration;
using Vmm.Vmx;

namespace Vmm.Machine.Boards;

/// <summary>Builds machines from descriptions: memory, processors, and whatever plugins contribute.</summary>
/// <param name="plugins">The plugins.</param>
/// <param name="engine">What runs guests.</param>
/// <param name="log">Where messages go.</param>
/// <param name="standardStreams">Makes the endpoint that <c>stdio</c> stands for; a machine without one has no <c>stdio</c>.</param>
public sealed class MachineBuilder(PluginHost plugins, IVmxEngine engine, IHostLog log, Func<ICharacterEndpoint>? standardStreams = null)
{
    /// <summary>Builds a machine, ready to start.</summary>
    /// <param name="description">The machine.</param>
    /// <exception cref="MachineException">It cannot be built as described.</exception>
    public AssembledMachine Build(MachineDescription description)
    {
        try
        {
            GuestMemory.CheckSize(description.MemoryBytes);
            MemoryLayout layout = new(description.MemoryBytes, description.ProcessorCount);
            return Assemble(description, layout, BootPlan.Prepare(description, layout));
        }
        catch (Exception e) when (e is MemoryConfigurationException or DeviceConfigurationException or ResourceConflictException or OptionException)
        {
            throw new MachineException(e.Message, e);
        }
    }

    private AssembledMachine Assemble(MachineDescription description, MemoryLayout layout, BootPlan boot)
    {
        MachineAssembly assembly = new(plugins, engine, log, standardStreams, description, layout);
        try
        {
            return assembly.Complete(boot);
        }
        catch
        {
            assembly.Abandon();
            throw;
        }
    }
}
