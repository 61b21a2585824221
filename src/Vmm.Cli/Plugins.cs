using Vmm.Kernel.Plugins;

namespace Vmm.Cli;

/// <summary>Where plugins are looked for: beside the command, then where the user says.</summary>
internal static class Plugins
{
    public static PluginHost Open(IEnumerable<string> more)
    {
        PluginHost host = OpenOwn();
        try
        {
            host.Look(more);
            return host;
        }
        catch
        {
            host.Dispose();
            throw;
        }
    }

    /// <summary>Those beside the command alone.</summary>
    public static PluginHost OpenOwn()
    {
        string own = Path.Combine(AppContext.BaseDirectory, "plugins");
        return PluginHost.Open(Directory.Exists(own) ? [own] : []);
    }
}
