namespace Vmm.Engine.Kvm;

/// <summary>KVM is not there, lacks something, or refused a request.</summary>
public sealed class KvmException(string message) : Exception(message);
