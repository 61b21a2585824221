using Vmm.Engine.Kvm;

namespace Vmm.Engine.Conformance.Tests.Harness;

/// <summary>KVM of this host, where it answers.</summary>
internal static class HostKvm
{
    private static readonly Lazy<(KvmEngine? Engine, string? Reason)> Opened = new(() =>
    {
        try
        {
            return (KvmEngine.Open(apics: LocalApicModel.Kvm), null);
        }
        catch (KvmException e)
        {
            return (null, $"Skipped, because this host's KVM cannot be used: {e.Message}");
        }
    });

    private static readonly Lazy<KvmEngine> KernelApics = new(static () => KvmEngine.Open(apics: LocalApicModel.Kernel));

    public static KvmEngine Engine => Opened.Value.Engine!;

    /// <summary>The same, told to leave the local APICs to the kernel.</summary>
    public static KvmEngine WithKernelApics => KernelApics.Value;

    /// <summary>Why tests on KVM are skipped; null when they run.</summary>
    public static string? SkipReason => Opened.Value.Reason;
}

/// <summary>A test that needs KVM. Where there is none it is skipped, and the report says why.</summary>
internal sealed class KvmFactAttribute : FactAttribute
{
    public KvmFactAttribute() => Skip = HostKvm.SkipReason;
}

/// <summary>A theory that needs KVM on a processor with virtualization, not one that KVM emulates.</summary>
internal sealed class HardwareKvmTheoryAttribute : TheoryAttribute
{
    public HardwareKvmTheoryAttribute() => Skip = HostKvm.SkipReason ?? (HostKvm.Engine.RunsOnHardware
        ? null
        : "Skipped, because this host's KVM emulates every instruction and its emulator lacks those of this guest.");
}

/// <summary>A theory that needs KVM.</summary>
internal sealed class KvmTheoryAttribute : TheoryAttribute
{
    public KvmTheoryAttribute() => Skip = HostKvm.SkipReason;
}

/// <summary>A theory of the split irqchip, where KVM has it.</summary>
internal sealed class SplitIrqchipTheoryAttribute : TheoryAttribute
{
    public SplitIrqchipTheoryAttribute() => Skip = new SplitIrqchipFactAttribute().Skip;
}

/// <summary>A test of the split irqchip, where KVM has it.</summary>
internal sealed class SplitIrqchipFactAttribute : FactAttribute
{
    public SplitIrqchipFactAttribute() => Skip = HostKvm.SkipReason ?? (HostKvm.Engine.OffersLocalApics
        ? null
        : "Skipped, because this host's KVM has no split irqchip (KVM_CAP_SPLIT_IRQCHIP).");
}
