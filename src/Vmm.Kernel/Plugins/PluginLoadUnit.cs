using System.Reflection;
using System.Runtime.Loader;
using McMaster.NETCore.Plugins;

namespace Vmm.Kernel.Plugins;

/// <summary>
/// A plugin assembly in a load context of its own. The only class that knows the loader library. The context is not
/// collectible: code precompiled with ReadyToRun is ignored in collectible ones.
/// </summary>
internal sealed class PluginLoadUnit
{
    private PluginLoadUnit(Assembly assembly)
    {
        Assembly = assembly;
        Context = AssemblyLoadContext.GetLoadContext(assembly)!;
    }

    public Assembly Assembly { get; }

    public AssemblyLoadContext Context { get; }

    /// <summary>Loads a plugin that discovery accepted.</summary>
    /// <exception cref="PluginException">The runtime cannot load it, or it got another contract than the host's.</exception>
    public static PluginLoadUnit Load(PluginDescription plugin)
    {
        PluginLoadUnit unit;
        try
        {
            PluginLoader loader = PluginLoader.CreateFromAssemblyFile(plugin.AssemblyPath, isUnloadable: false, sharedTypes: [typeof(IDevice)]);
            unit = new PluginLoadUnit(loader.LoadDefaultAssembly());
        }
        catch (Exception e) when (e is IOException or BadImageFormatException)
        {
            throw new PluginException($"plugin {plugin.Id}: {plugin.AssemblyPath} cannot be loaded: {e.Message}", e);
        }

        // The loader library falls back, silently, to a private copy when the host's contract does not satisfy the reference.
        Assembly contract = unit.Context.LoadFromAssemblyName(new AssemblyName(Contract.AssemblyName));
        if (contract != typeof(IDevice).Assembly)
        {
            throw new PluginException(
                $"plugin {plugin.Id} got its own copy of the contract ({contract.GetName().Version} at {contract.Location}) instead of the host's ({typeof(IDevice).Assembly.GetName().Version}): delete that copy");
        }

        return unit;
    }
}
