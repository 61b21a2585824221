namespace Vmm.Kernel;

/// <summary>Guest memory that cannot be had: a bad size, an overlap, or more than the host has.</summary>
public sealed class MemoryConfigurationException(string message) : Exception(message);
