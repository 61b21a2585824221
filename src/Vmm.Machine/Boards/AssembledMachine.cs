using Vmm.Kernel;
using Vmm.Kernel.Plugins;
using Vmm.Machine.Channels;

namespace Vmm.Machine.Boards;

/// <summary>A VM with everything that belongs to it. Disposing of it stops the VM and closes what its plugins opened.</summary>
public sealed class AssembledMachine : IAsyncDisposable
{
    private readonly PluginScope _scope;
    private readonly CpuPool _pool;
    private readonly IReadOnlyList<(string Name, CharacterChannel Channel)> _channels;

    internal AssembledMachine(VirtualMachine machine, PluginScope scope, CpuPool pool, IReadOnlyList<(string Name, CharacterChannel Channel)> channels)
    {
        VirtualMachine = machine;
        _scope = scope;
        _pool = pool;
        _channels = channels;
    }

    /// <summary>The VM.</summary>
    public VirtualMachine VirtualMachine { get; }

    /// <summary>Starts the guest and its channels, and waits for its end.</summary>
    /// <param name="cancellation">Stops the VM.</param>
    /// <returns>How it ended.</returns>
    /// <exception cref="MachineException">The kernel does not fit this machine.</exception>
    public async Task<VmOutcome> RunAsync(CancellationToken cancellation = default)
    {
        VirtualMachine.Start();
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
