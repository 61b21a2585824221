namespace Vmm.Kernel;

/// <summary>A device that cannot be attached.</summary>
public sealed class DeviceConfigurationException(string message, Exception inner) : Exception(message, inner);
