namespace Vmm.Vmx.Tests;

public sealed class VmxCapabilityMsrsTests
{
    private readonly IReadOnlyDictionary<uint, ulong> _msrs = TestProcessor.CapabilityMsrs().Build();

    [Theory]
    [InlineData(Msr.Ia32VmxPinbasedCtls, 0x0000_0016u)]
    [InlineData(Msr.Ia32VmxProcbasedCtls, 0x0401_E172u)]
    [InlineData(Msr.Ia32VmxExitCtls, 0x0003_6DFFu)]
    [InlineData(Msr.Ia32VmxEntryCtls, 0x0000_11FFu)]
    [InlineData(Msr.Ia32VmxTruePinbasedCtls, 0x0000_0016u)]
    [InlineData(Msr.Ia32VmxTrueProcbasedCtls, 0x0400_6172u)]
    [InlineData(Msr.Ia32VmxTrueExitCtls, 0x0003_6DFBu)]
    [InlineData(Msr.Ia32VmxTrueEntryCtls, 0x0000_11FBu)]
    [InlineData(Msr.Ia32VmxProcbasedCtls2, 0u)]
    public void Bits_that_must_be_one_are_the_default1_class(uint msr, uint mustBeOne) => Assert.Equal(mustBeOne, (uint)_msrs[msr]);

    [Fact]
    public void Everything_that_must_be_one_may_be_one()
    {
        for (uint msr = Msr.Ia32VmxPinbasedCtls; msr <= Msr.Ia32VmxTrueEntryCtls; msr++)
        {
            if (msr is >= Msr.Ia32VmxPinbasedCtls and <= Msr.Ia32VmxEntryCtls or >= Msr.Ia32VmxTruePinbasedCtls)
            {
                Assert.Equal(0u, (uint)_msrs[msr] & ~(uint)(_msrs[msr] >> 32));
            }
        }
    }

    [Fact]
    public void Named_controls_and_no_others_may_be_one()
    {
        uint mayBeOne = (uint)(_msrs[Msr.Ia32VmxTruePinbasedCtls] >> 32);

        Assert.Equal((uint)TestProcessor.CapabilityMsrs().PinBased | 0x16, mayBeOne);
    }

    [Fact]
    public void Default1_control_that_is_not_supported_must_stay_one_in_the_true_msr()
    {
        IReadOnlyDictionary<uint, ulong> msrs = new VmxCapabilityMsrs
        {
            Revision = 1,
            PinBased = PinBasedControls.None,
            Primary = PrimaryProcessorBasedControls.None,
            Exit = VmExitControls.HostAddressSpaceSize,
            Entry = VmEntryControls.None,
            Cr4 = Cr4Bits.Pae,
        }.Build();

        Assert.Equal(0x0401_E172u, (uint)msrs[Msr.Ia32VmxTrueProcbasedCtls]);
        Assert.False(msrs.ContainsKey(Msr.Ia32VmxProcbasedCtls2));
        Assert.False(msrs.ContainsKey(Msr.Ia32VmxEptVpidCap));
    }

    [Fact]
    public void Basic_has_revision_region_size_write_back_and_true_msrs()
    {
        ulong basic = _msrs[Msr.Ia32VmxBasic];

        Assert.Equal(0x1234ul, basic & VmxBasic.RevisionMask);
        Assert.Equal(4096ul, basic >> 32 & 0x1FFF);
        Assert.Equal(6ul, basic >> 50 & 0xF);
        Assert.Equal(0ul, basic >> 31 & 1);
        Assert.NotEqual(0ul, basic & VmxBasic.TrueControls);
    }

    [Fact]
    public void Misc_has_timer_rate_activity_states_and_cr3_targets()
    {
        ulong misc = _msrs[Msr.Ia32VmxMisc];

        Assert.Equal(5ul, misc & VmxMisc.PreemptionTimerShiftMask);
        Assert.Equal(7ul, misc >> 6 & 7);
        Assert.Equal(4ul, misc >> VmxMisc.Cr3TargetsShift & VmxMisc.Cr3TargetsMask);
        Assert.NotEqual(0ul, misc & VmxMisc.StoresLma);
    }

    [Fact]
    public void Fixed_bits_ask_for_protected_mode_with_paging_and_vmxe()
    {
        Assert.Equal(0x8000_0021ul, _msrs[Msr.Ia32VmxCr0Fixed0]);
        Assert.Equal(0x2000ul, _msrs[Msr.Ia32VmxCr4Fixed0]);
        Assert.NotEqual(0ul, _msrs[Msr.Ia32VmxCr4Fixed1] & 0x2000);
    }

    [Fact]
    public void Vmcs_enum_reports_the_highest_index_in_bits_9_to_1()
        => Assert.Equal(25ul, _msrs[Msr.Ia32VmxVmcsEnum] >> 1);

    [Fact]
    public void Adjust_rounds_wanted_controls_to_the_allowed_ones()
    {
        VmxCapabilities capabilities = TestProcessor.Capabilities();

        Assert.Equal(0x16u | 1, capabilities.Adjust(Msr.Ia32VmxTruePinbasedCtls, 1 | (uint)PinBasedControls.ProcessPostedInterrupts));
    }
}
