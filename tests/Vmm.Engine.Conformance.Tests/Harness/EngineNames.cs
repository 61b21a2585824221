using Vmm.Engine.Software;

namespace Vmm.Engine.Conformance.Tests.Harness;

/// <summary>The engines of this host, for tests that run on each.</summary>
internal static class EngineNames
{
    public const string Software = "software", Kvm = "kvm", KvmWithKernelApics = "kvm with the kernel's local APICs";

    private static readonly SoftwareEngine SoftwareEngine = new();

    /// <summary>Those that this host can run; tests on KVM alone say why they are skipped elsewhere.</summary>
    public static TheoryData<string> Present => HostKvm.SkipReason is null ? [Software, Kvm] : [Software];

    /// <summary>The same with each model of the local APICs: KVM has its own unless it is told otherwise.</summary>
    public static TheoryData<string> WithApics =>
        HostKvm.SkipReason is not null ? [Software] : HostKvm.Engine.OffersLocalApics ? [Software, KvmWithKernelApics, Kvm] : [Software, KvmWithKernelApics];

    /// <summary>From one model of the local APICs to another.</summary>
    public static TheoryData<string, string> ApicMoves =>
        new() { { Software, Kvm }, { Kvm, Software }, { Kvm, Kvm }, { Kvm, KvmWithKernelApics }, { KvmWithKernelApics, Kvm } };

    /// <summary>From one engine to another, both ways, and to itself.</summary>
    public static TheoryData<string, string> Moves => new() { { Software, Kvm }, { Kvm, Software }, { Kvm, Kvm } };

    public static IVmxEngine Find(string name) => name switch
    {
        Kvm => HostKvm.Engine,
        KvmWithKernelApics => HostKvm.WithKernelApics,
        _ => SoftwareEngine,
    };
}
