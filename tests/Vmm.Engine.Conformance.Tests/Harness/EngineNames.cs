using Vmm.Engine.Software;

namespace Vmm.Engine.Conformance.Tests.Harness;

/// <summary>The engines of this host, for tests that run on each.</summary>
internal static class EngineNames
{
    public const string Software = "software", Kvm = "kvm";

    private static readonly SoftwareEngine SoftwareEngine = new();

    /// <summary>Those that this host can run; tests on KVM alone say why they are skipped elsewhere.</summary>
    public static TheoryData<string> Present => HostKvm.SkipReason is null ? [Software, Kvm] : [Software];

    /// <summary>From one engine to another, both ways, and to itself.</summary>
    public static TheoryData<string, string> Moves => new() { { Software, Kvm }, { Kvm, Software }, { Kvm, Kvm } };

    public static IVmxEngine Find(string name) => name == Kvm ? HostKvm.Engine : SoftwareEngine;
}
