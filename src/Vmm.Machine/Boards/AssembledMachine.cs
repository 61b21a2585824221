using Vmm.Kernel;
using Vmm.Kernel.Plugins;
using Vmm.Machine.Channels;
using Vmm.Machine.Configuration;

namespace Vmm.Machine.Boards;

/// <summary>A VM with everything that belongs to it. Disposing of it stops the VM and closes what its plugins opened.</summary>
public sealed class AssembledMachine : IAsyncDisposable
{
    private readonly PluginScope _scope;
    private readonly CpuPool _pool;
    private readonly IReadOnlyList<(string Name, CharacterChannel Channel)> _channels;

    internal AssembledMachine(MachineDescription description, VirtualMachine machine, PluginScope scope, CpuPool pool, IReadOnlyList<(string Name, CharacterChannel Channel)> channels)
    {
        Description = description;
        VirtualMachine = machine;
        _scope = scope;
        _pool = pool;
        _channels = channels;
    }

    /// <summary>What it was built from.</summary>
    public MachineDescription Description { get; }

    /// <summary>The VM.</summary>
    public VirtualMachine VirtualMachine { get; }

    /// <summary>Starts the guest, or lets a restored one go on, with its channels, and waits for its end.</summary>
    /// <param name="cancellation">Stops the VM.</param>
    /// <returns>How it ended.</returns>
    /// <exception cref="MachineException">The kernel does not fit this machine.</exception>
    public async Task<VmOutcome> RunAsync(CancellationToken cancellation = default)
    {
        if (VirtualMachine.State == VirtualMachineState.Created)
        {
            VirtualMachine.Start();
        }
        else
        {
            VirtualMachine.Resume();
        }

        foreach ((string name, CharacterChannel channel) in _channels)
        {
            channel.StartInput(name);
        }

        using CancellationTokenRegistration stop = cancellation.Register(() => Task.Run(VirtualMachine.Stop));
        return await VirtualMachine.Completion.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        VirtualMachine.Dispose();
        foreach ((_, CharacterChannel channel) in _channels)
        {
            channel.Dispose();
        }

        _pool.Dispose();
        await _scope.DisposeAsync().ConfigureAwait(false);
    }
}
