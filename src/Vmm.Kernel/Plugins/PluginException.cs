namespace Vmm.Kernel.Plugins;

/// <summary>A plugin or contribution that cannot be used. The message names it and says what to do.</summary>
/// <param name="message">The message, for people.</param>
/// <param name="cause">What the plugin itself threw, if it did.</param>
public sealed class PluginException(string message, Exception? cause = null) : Exception(message, cause);
