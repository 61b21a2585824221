using Vmm.Engine.Conformance.Tests.Guests;
using Vmm.Engine.Conformance.Tests.Harness;
using Vmm.Engine.Software;

namespace Vmm.Engine.Conformance.Tests;

/// <summary>Every small guest on every engine; then both engines against each other, exit by exit.</summary>
public sealed class ConformanceTests
{
    private static readonly SoftwareEngine Software = new();

    public static TheoryData<string> Names => [.. GuestCatalogue.All.Select(guest => guest.Name)];

    public static TheoryData<string> Emulated => [.. GuestCatalogue.All.Where(guest => !guest.NeedsHardware).Select(guest => guest.Name)];

    public static TheoryData<string> Processed => [.. GuestCatalogue.All.Where(guest => guest.NeedsHardware).Select(guest => guest.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_guest_runs_as_it_must_on_the_software_engine(string name)
    {
        Guest guest = GuestCatalogue.Find(name);
        using GuestMachine machine = guest.Run(Software);
        guest.Check(machine);
    }

    [KvmTheory]
    [MemberData(nameof(Emulated))]
    public void A_guest_runs_as_it_must_on_kvm(string name) => RunOnKvm(name);

    [KvmTheory]
    [MemberData(nameof(Emulated))]
    public void Both_engines_agree_exit_by_exit(string name) => Compare(name);

    [HardwareKvmTheory]
    [MemberData(nameof(Processed))]
    public void A_guest_that_needs_a_processor_runs_as_it_must_on_kvm(string name) => RunOnKvm(name);

    [HardwareKvmTheory]
    [MemberData(nameof(Processed))]
    public void Both_engines_agree_exit_by_exit_on_a_guest_that_needs_a_processor(string name) => Compare(name);

    private static void RunOnKvm(string name)
    {
        Guest guest = GuestCatalogue.Find(name);
        using GuestMachine machine = guest.Run(HostKvm.Engine);
        guest.Check(machine);
    }

    private static void Compare(string name)
    {
        Guest guest = GuestCatalogue.Find(name);
        using GuestMachine software = guest.Run(Software);
        using GuestMachine kvm = guest.Run(HostKvm.Engine);
        Assert.Equal(software.Transcript.Lines, kvm.Transcript.Lines);
        Assert.Equal(StateComparison.Describe(software.Save()), StateComparison.Describe(kvm.Save()));
        int same = software.Memory.Bytes.CommonPrefixLength(kvm.Memory.Bytes);
        Assert.True(same == GuestRam.Length, $"The guests' memories differ from 0x{same:x} on.");
    }
}
