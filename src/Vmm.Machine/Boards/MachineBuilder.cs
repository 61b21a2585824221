using Vmm.Kernel;
using Vmm.Kernel.Plugins;
using Vmm.Machine.Channels;
using Vmm.Machine.Configuration;
using Vmm.Machine.Snapshots;
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
        return WithMessages(() =>
        {
            MemoryLayout layout = Lay(description);
            return Assemble(description, layout, BootPlan.Prepare(description, layout));
        });
    }

    /// <summary>Builds a machine that goes on where a saved one was; it is paused.</summary>
    /// <param name="saved">The saved machine.</param>
    /// <param name="description">The machine, from <see cref="SavedMachine.Describe"/>.</param>
    /// <exception cref="MachineException">It cannot be built as described, or the state does not fit it.</exception>
    public AssembledMachine Restore(SavedMachine saved, MachineDescription description)
    {
        return WithMessages(() =>
        {
            // The kernel is in memory already; its file is needed only when the guest resets itself.
            MemoryLayout layout = Lay(description);
            AssembledMachine machine = Assemble(description, layout, BootPlan.PrepareLater(description, layout));
            try
            {
                saved.LoadInto(machine.VirtualMachine);
                return machine;
            }
            catch
            {
                machine.DisposeAsync().AsTask().Wait();
                throw;
            }
        });
    }

    private static AssembledMachine WithMessages(Func<AssembledMachine> build)
    {
        try
        {
            return build();
        }
        catch (Exception e) when (e is MemoryConfigurationException or DeviceConfigurationException or ResourceConflictException or OptionException or StateException)
        {
            throw new MachineException(e.Message, e);
        }
    }

    private static MemoryLayout Lay(MachineDescription description)
    {
        GuestMemory.CheckSize(description.MemoryBytes);
        return new(description.MemoryBytes, description.ProcessorCount);
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
