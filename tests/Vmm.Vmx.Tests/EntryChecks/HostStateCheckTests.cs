namespace Vmm.Vmx.Tests;

/// <summary>SDM Vol. 3C 27.2.2 to 27.2.4: failures are error 8.</summary>
public sealed class HostStateCheckTests
{
    private const ulong NotCanonical = 0x8000_0000_0000_0000;

    private readonly Vmcs _vmcs = TestProcessor.LongModeVmcs();

    [Theory]
    [InlineData("CR0 without PE", VmcsField.HostCr0, 0x8005_0032ul)]
    [InlineData("CR0 without NE", VmcsField.HostCr0, 0x8005_0013ul)]
    [InlineData("CR0 with bit 32", VmcsField.HostCr0, 0x1_8005_0033ul)]
    [InlineData("CR4 without VMXE", VmcsField.HostCr4, 0x20ul)]
    [InlineData("CR4 with a bit that is not supported", VmcsField.HostCr4, 0x2020ul | 1ul << 22)]
    [InlineData("CR3 beyond the physical-address width", VmcsField.HostCr3, 1ul << 40)]
    [InlineData("SYSENTER_ESP", VmcsField.HostIa32SysenterEsp, NotCanonical)]
    [InlineData("SYSENTER_EIP", VmcsField.HostIa32SysenterEip, NotCanonical)]
    [InlineData("PAT with type 2", VmcsField.HostIa32Pat, 0x0007_0406_0007_0402ul)]
    [InlineData("EFER with a reserved bit", VmcsField.HostIa32Efer, 0x502ul)]
    [InlineData("EFER without LMA", VmcsField.HostIa32Efer, 0x100ul)]
    [InlineData("EFER without LME", VmcsField.HostIa32Efer, 0x400ul)]
    public void Bad_control_register_or_msr_fails(string what, VmcsField field, ulong value) => Fails(what, "27.2.2", field, value);

    [Theory]
    [InlineData("RPL of ES", VmcsField.HostEsSelector, 0x1ul)]
    [InlineData("TI of CS", VmcsField.HostCsSelector, 0x14ul)]
    [InlineData("RPL of SS", VmcsField.HostSsSelector, 0x1Bul)]
    [InlineData("TI of DS", VmcsField.HostDsSelector, 0x4ul)]
    [InlineData("RPL of FS", VmcsField.HostFsSelector, 0x2ul)]
    [InlineData("RPL of GS", VmcsField.HostGsSelector, 0x3ul)]
    [InlineData("TI of TR", VmcsField.HostTrSelector, 0x44ul)]
    [InlineData("null CS", VmcsField.HostCsSelector, 0ul)]
    [InlineData("null TR", VmcsField.HostTrSelector, 0ul)]
    [InlineData("FS base", VmcsField.HostFsBase, NotCanonical)]
    [InlineData("GS base", VmcsField.HostGsBase, NotCanonical)]
    [InlineData("TR base", VmcsField.HostTrBase, NotCanonical)]
    [InlineData("GDTR base", VmcsField.HostGdtrBase, NotCanonical)]
    [InlineData("IDTR base", VmcsField.HostIdtrBase, NotCanonical)]
    public void Bad_segment_or_descriptor_table_fails(string what, VmcsField field, ulong value) => Fails(what, "27.2.3", field, value);

    [Theory]
    [InlineData("CR4 without PAE", VmcsField.HostCr4, 0x2000ul)]
    [InlineData("RIP not canonical", VmcsField.HostRip, NotCanonical)]
    public void Bad_64_bit_host_fails(string what, VmcsField field, ulong value) => Fails(what, "27.2.4", field, value);

    [Fact]
    public void Host_address_space_size_must_be_1()
    {
        _vmcs[VmcsField.VmExitControls] &= ~(ulong)VmExitControls.HostAddressSpaceSize;
        _vmcs[VmcsField.HostIa32Efer] = 0;
        _vmcs[VmcsField.HostSsSelector] = 0x18;

        EntryCheckAssert.Fails(_vmcs, VmEntryFailureKind.HostState, "27.2.4", VmcsField.VmExitControls);
    }

    [Fact]
    public void Null_ss_fails_for_a_host_that_is_not_64_bit()
    {
        _vmcs[VmcsField.VmExitControls] &= ~(ulong)VmExitControls.HostAddressSpaceSize;
        _vmcs[VmcsField.HostIa32Efer] = 0;

        EntryCheckAssert.Fails(_vmcs, VmEntryFailureKind.HostState, "27.2.3", VmcsField.HostSsSelector);
    }

    [Theory]
    [InlineData(VmExitControls.LoadIa32Pat, VmcsField.HostIa32Pat)]
    [InlineData(VmExitControls.LoadIa32Efer, VmcsField.HostIa32Efer)]
    public void Msr_that_is_not_loaded_is_not_checked(VmExitControls control, VmcsField field)
    {
        _vmcs[VmcsField.VmExitControls] &= ~(ulong)control;
        _vmcs[field] = ulong.MaxValue;

        EntryCheckAssert.Passes(_vmcs);
    }

    private void Fails(string what, string section, VmcsField field, ulong value)
    {
        Assert.NotEmpty(what);
        _vmcs[field] = value;

        VmEntryFailure failure = EntryCheckAssert.Fails(_vmcs, VmEntryFailureKind.HostState, section, field);

        Assert.Equal(VmInstructionError.EntryInvalidHostState, failure.Error);
    }
}
