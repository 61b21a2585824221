using Vmm.Sdk;

namespace Vmm.Plugins.KvmParavirt;

/// <summary>What CPUID shows (Linux Documentation/virt/kvm/x86/cpuid.rst).</summary>
internal static class KvmCpuid
{
    private const uint VersionInformation = 1;
    private const uint Signature = 0x4000_0000;
    private const uint Features = 0x4000_0001;
    private const uint Timing = 0x4000_0010;
    private const uint HypervisorPresent = 1u << 31;

    /// <summary>KVM_FEATURE_CLOCKSOURCE, _NOP_IO_DELAY, _CLOCKSOURCE2 and _CLOCKSOURCE_STABLE_BIT.</summary>
    private const uint Offered = (1 << 0) | (1 << 1) | (1 << 3) | (1 << 24);

    public static readonly CpuidRange[] Ranges =
    [
        new("hypervisor-present", VersionInformation, VersionInformation),
        new("kvm", Signature, Timing),
    ];

    public static void Adjust(IVirtualProcessor vcpu, uint leaf, ref CpuidResult result)
    {
        if (leaf == VersionInformation)
        {
            result.Ecx |= HypervisorPresent;
            return;
        }

        result = leaf switch
        {
            // "KVMKVMKVM\0\0\0" in EBX, ECX, EDX.
            Signature => new CpuidResult(Timing, 0x4b4d_564b, 0x564b_4d56, 0x0000_004d),
            Features => new CpuidResult(Offered, 0, 0, 0),
            Timing => new CpuidResult((uint)Math.Min(vcpu.TimestampFrequency / 1_000, uint.MaxValue), 0, 0, 0),
            _ => default,
        };
    }
}
