using Vmm.Engine.Kvm;
using Vmm.Engine.Kvm.Host;
using Vmm.Engine.Kvm.Interop;
using Vmm.Engine.Kvm.Processor;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>What a host's KVM must be able to do, and what is said when it cannot.</summary>
public sealed class CapabilityTests
{
    private const int ApiVersion = 12;

    public static TheoryData<string> Needed => [.. KvmDevice.Needed.Select(needed => needed.Capability.ToString())];

    [Theory]
    [MemberData(nameof(Needed))]
    public void A_capability_that_is_missing_is_named_with_its_purpose_and_a_way_out(string name)
    {
        KvmCapability capability = Enum.Parse<KvmCapability>(name);
        string purpose = KvmDevice.Needed.Single(needed => needed.Capability == capability).Purpose;
        Assert.Equal(
            $"/dev/kvm lacks what this engine needs: {KvmName.Of(capability)} ({purpose}). Use a newer host kernel, or --engine software.",
            KvmDevice.Refusal("/dev/kvm", Without(capability)));
    }

    [Fact]
    public void Capabilities_that_are_missing_are_all_named_at_once() => Assert.Equal(
        "/dev/kvm lacks what this engine needs: KVM_CAP_READONLY_MEM (ROM); KVM_CAP_X86_MSR_FILTER (MSR bitmaps; Linux 5.10). "
            + "Use a newer host kernel, or --engine software.",
        KvmDevice.Refusal("/dev/kvm", Without(KvmCapability.X86MsrFilter, KvmCapability.ReadonlyMem)));

    [Fact]
    public void A_host_with_everything_is_not_refused() => Assert.Null(KvmDevice.Refusal("/dev/kvm", Without()));

    [Theory]
    [InlineData(11, "/dev/kvm speaks version 11 of the KVM interface; this engine speaks version 12.")]
    [InlineData(-1, "/dev/kvm does not answer KVM requests: it is not the KVM device.")]
    public void Another_version_of_the_interface_is_refused(int version, string message) =>
        Assert.Equal(message, KvmDevice.Refusal("/dev/kvm", (_, _) => version));

    [Theory]
    [InlineData(LibC.Enoent, "does not exist: the host kernel has no KVM, or its module (kvm_intel or kvm_amd) is not loaded.")]
    [InlineData(LibC.Eacces, "may not be opened by this user: add the user to the group 'kvm' (usermod -aG kvm USER) and log in again.")]
    [InlineData(LibC.Eperm, "may not be opened by this user: add the user to the group 'kvm' (usermod -aG kvm USER) and log in again.")]
    [InlineData(LibC.Ebusy, "is busy: another hypervisor holds the processor's virtualization.")]
    [InlineData(LibC.Eintr, "cannot be opened: Interrupted system call.")]
    public void A_device_that_does_not_open_says_why_and_what_to_do(int error, string message) =>
        Assert.Equal($"/dev/kvm {message}", KvmDevice.OpenFailure("/dev/kvm", error));

    [Theory]
    [InlineData("/nonexistent", "/nonexistent does not exist")]
    [InlineData("/dev/null", "/dev/null does not answer KVM requests")]
    public void A_device_that_is_not_kvm_is_refused_by_message(string path, string message) =>
        Assert.Contains(message, Assert.Throws<KvmException>(() => KvmEngine.Open(path)).Message, StringComparison.Ordinal);

    [Fact]
    public void More_of_cpuid_than_kvm_takes_is_refused_by_message()
    {
        using var nothing = new KvmDescriptor(-1);
        KvmCpuidEntry[] entries = new KvmCpuidEntry[CpuidRehearsal.MaximumEntries + 1];
        Assert.Contains("KVM takes 256", Assert.Throws<KvmException>(() => CpuidRehearsal.Set(nothing, entries)).Message, StringComparison.Ordinal);
    }

    /// <summary>A leaf of sub-leaves without end, as a handler may show it.</summary>
    [Fact]
    public void Cpuid_leaves_without_end_are_cut_off()
    {
        var rehearsal = new CpuidRehearsal((leaf, _) => new CpuidResult(leaf is 0 ? 0x20u : 1, 0, 0x100, 0));
        Assert.True(rehearsal.Run());
        Assert.All(rehearsal.Entries.CountBy(entry => entry.Function), leaf => Assert.InRange(leaf.Value, 1, 64));
    }

    private static Func<KvmRequest, nint, int> Without(params KvmCapability[] missing) => (request, argument) =>
        request == KvmRequest.GetApiVersion ? ApiVersion : missing.Contains((KvmCapability)argument) ? 0 : 1;
}
