namespace Vmm.Vmx.Tests;

/// <summary>SDM Vol. 3C 27.3.1.6.</summary>
public sealed class PdpteCheckTests
{
    [Theory]
    [InlineData(0x2ul)]
    [InlineData(0x4ul)]
    [InlineData(0x20ul)]
    [InlineData(0x100ul)]
    [InlineData(1ul << 40)]
    [InlineData(1ul << 63)]
    public void Reserved_bit_of_a_present_pdpte_in_memory_fails_with_qualification_2(ulong bit)
    {
        Vmcs vmcs = TestProcessor.PaeVmcs();
        vmcs[VmcsField.GuestCr3] = 0x2020;
        VmEntryChecks checks = new(TestProcessor.Capabilities(), address => address == 0x2038 ? 0x1000 | 1 | bit : 0x1001);

        VmEntryFailure failure = EntryCheckAssert.Fails(vmcs, VmEntryFailureKind.GuestState, "27.3.1.6", VmcsField.GuestCr3, checks);

        Assert.Equal(EntryFailureQualification.PdpteLoading, failure.Qualification);
        Assert.Contains("number 3", failure.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Pdpte_that_is_not_present_may_hold_anything()
        => Assert.Null(new VmEntryChecks(TestProcessor.Capabilities(), static _ => ~1ul).Check(TestProcessor.PaeVmcs()));

    [Fact]
    public void With_ept_the_pdptes_of_the_vmcs_count()
    {
        Vmcs vmcs = TestProcessor.PaeVmcs();
        TestProcessor.MakeUnrestricted(vmcs);
        vmcs[VmcsField.GuestPdpte2] = 0x1003;

        VmEntryFailure failure = EntryCheckAssert.Fails(vmcs, VmEntryFailureKind.GuestState, "27.3.1.6", VmcsField.GuestPdpte2);

        Assert.Equal(EntryFailureQualification.PdpteLoading, failure.Qualification);
    }

    [Fact]
    public void Pdptes_of_a_64_bit_guest_do_not_exist()
        => Assert.Null(new VmEntryChecks(TestProcessor.Capabilities(), static _ => ulong.MaxValue).Check(TestProcessor.LongModeVmcs()));
}
