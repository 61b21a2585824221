using Vmm.Kernel.Plugins;

namespace Vmm.Cli;

/// <summary>Where plugins are looked for: beside the command, then where the user says.</summary>
internal static class Plugins
{
    public static PluginHost Open(IEnumerable<string> more)
    {
        string own = Path.Combine(AppContext.BaseDirectory, "plugins");
        return PluginHost.Open([.. Directory.Exists(own) ? (string[])[own] : [], .. more]);
    }
}
